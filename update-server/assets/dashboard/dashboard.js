// What pages gain with scripts, beside staying fresh: times in the person's own zone, on demand.
"use strict";

const KEY = "latchkey-local-times";
const button = document.createElement("button");
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
let on = false;
try { on = localStorage.getItem(KEY) === "on"; } catch { /* Storage is shut off: the choice lasts for this page. */ }

function show() {
  for (const time of document.querySelectorAll("time")) {
    time.dataset.utc ??= time.textContent;
    const at = new Date(time.dateTime);
    const wanted = on && !Number.isNaN(at.getTime()) ? local.format(at) : time.dataset.utc;
    if (time.textContent !== wanted) time.textContent = wanted;
  }
  button.textContent = on ? "Show UTC" : "Show local times";
}

button.type = "button";
button.className = "plain";
button.addEventListener("click", () => {
  on = !on;
  try { localStorage.setItem(KEY, on ? "on" : "off"); } catch { /* As above. */ }
  show();
});
document.querySelector("#clock")?.append(button);
show();
// A part of the page that was kept fresh has its times in UTC again.
document.addEventListener("htmx:after:swap", show);
