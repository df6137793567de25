// Asks the update server for an update of what runs. It is told which hardware and version is asked about, and nothing
// else. The page and its service worker both ask by this.

/** The update for what runs, as the server has it; undefined where there is none. Throws when it cannot be asked. */
export async function look({ vendor, class: hardware, version, counter }, { get = fetch } = {}) {
  const query = new URLSearchParams({ vendor, class: hardware, version, counter });
  let answer;
  try {
    // Not from the browser's store: the server says itself when nothing has changed.
    const response = await get(`/owner/v1/update?${query}`, { cache: "no-cache", credentials: "omit" });
    if (!response.ok) throw new Error();
    answer = await response.json();
  } catch {
    throw new Error("the update server cannot be asked now; try again when there is a network");
  }
  return answer?.update ?? undefined;
}

/** Of these updates, by lock id, those of which nobody has been told; from now on they count as told. */
export async function untold(updates, store) {
  const told = (await store.fact("told")) ?? {};
  const news = [...updates].filter(([id, { digest }]) => told[id] !== digest);
  if (news.length > 0) await store.saveFact("told", { ...told, ...Object.fromEntries(news.map(([id, { digest }]) => [id, digest])) });
  return news;
}

/** A notification of updates; `names` are the locks'. */
export function notification(names) {
  return ["Update for your lock", { body: `There is an update for ${names.join(" and ")}.`, tag: "update", icon: "icon-192.png" }];
}
