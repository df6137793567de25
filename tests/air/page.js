// What the driver of a page asks the document, from a world of its own that the page does not see. Waits by the
// document's own events.
globalThis.latchkey = (() => {
  let revision = 0;
  let look = [];
  const changed = () => {
    revision += 1;
    const now = look;
    look = [];
    for (const one of now) one();
  };
  new MutationObserver(changed).observe(document, {
    attributes: true,
    characterData: true,
    childList: true,
    subtree: true,
  });
  // What a document shows changes with these too.
  for (const event of ["load", "input", "change", "transitionend", "animationend", "toggle", "resize", "focusin"])
    addEventListener(event, changed, true);

  const until = (check, milliseconds) =>
    new Promise((resolve) => {
      let found = check();
      if (found) return resolve(found);
      const again = () => {
        found = check();
        if (!found) return look.push(again);
        clearTimeout(limit);
        resolve(found);
      };
      const limit = setTimeout(() => resolve(check() || null), milliseconds);
      look.push(again);
    });

  const visible = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
  const said = (element) => (element.value ?? "") + "\n" + element.innerText;
  const find = (selector, text) =>
    [...document.querySelectorAll(selector)].find((one) => visible(one) && (!text || said(one).includes(text)));

  return {
    // The first element that is seen, and says that.
    find: (selector, text, milliseconds) => until(() => find(selector, text), milliseconds),
    gone: (selector, text, milliseconds) => until(() => !find(selector, text), milliseconds),
    revision: () => revision,
    after: (seen, milliseconds) => until(() => revision > seen, milliseconds),
    // Why it cannot be clicked, or where.
    place(element) {
      if (!element.isConnected || !visible(element)) return "it is not seen any more";
      // Without its style, and then with it, the same element lies in two places; a click in the first is lost.
      if (document.readyState !== "complete") return "its page has not come to its end";
      if (element.matches(":disabled") || element.closest("[inert], [aria-disabled=true]")) return "it is disabled";
      const { left, top, width, height } = element.getClientRects()[0];
      const [x, y] = [left + width / 2, top + height / 2];
      const hit = document.elementFromPoint(x, y);
      if (hit && (element.contains(hit) || hit.closest("label")?.control === element)) return { x, y };
      return `at its centre is ${hit ? hit.outerHTML.slice(0, 120) : "nothing"}`;
    },
    fill(element, value) {
      // Pickers take no typed text.
      const set = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(element), "value").set;
      set.call(element, value);
      element.dispatchEvent(new Event("input", { bubbles: true }));
      element.dispatchEvent(new Event("change", { bubbles: true }));
    },
  };
})();
