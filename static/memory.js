// What the browser keeps of the canvas, so that neither a reload nor a closed page loses it. Knows no canvas: what
// is kept are values, its pictures blobs or data URLs.
//
// Each page keeps its own in IndexedDB (database "atelier", as the settings are localStorage's "atelier") under an
// id that is the tab's (sessionStorage), so that a reload finds it again. Writing there takes time, which a page
// that goes has not got: it leaves what is not written yet in localStorage, which is written at once, and the next
// page to open puts it where it belongs.
window.AtelierMemory = (() => {
  const ID = "atelier-page", LEFT = "atelier-left-"; // keys: of sessionStorage; of localStorage, before an id
  const MOST = 20; // pages whose canvas is kept, the newest

  const random = () => [...crypto.getRandomValues(new Uint32Array(3))].map((one) => one.toString(36)).join("");
  let id = sessionStorage.getItem(ID);
  const renamed = () => sessionStorage.setItem(ID, (id = random()));
  if (!id) renamed();

  // A tab that was duplicated has the id of the first one, which says so and keeps it.
  const me = random(), pages = new BroadcastChannel("atelier-edit");
  pages.onmessage = ({ data }) => {
    if (data.taken === me) renamed();
    else if (data.asks && data.id === id) pages.postMessage({ taken: data.asks });
  };
  pages.postMessage({ asks: me, id });

  const asked = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

  async function stored(mode, use) { // what ``use`` returns of the store, once it is on the disk
    const opening = indexedDB.open("atelier", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("edit");
    const base = await asked(opening);
    try {
      const transaction = base.transaction("edit", mode);
      const through = new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
      });
      return (await Promise.all([use(transaction.objectStore("edit")), through]))[0];
    } finally {
      base.close();
    }
  }

  async function kept() { // this page's canvas, or the one that was kept last; nothing where there is none
    const left = Object.keys(localStorage).filter((key) => key.startsWith(LEFT))
      .map((key) => [key, localStorage.getItem(key)]);
    const found = await stored("readwrite", async (store) => {
      const [ids, values] = await Promise.all([asked(store.getAllKeys()), asked(store.getAll())]);
      const all = new Map(ids.map((one, k) => [one, values[k]]));
      for (const [key, text] of left) {
        const page = key.slice(LEFT.length), canvas = JSON.parse(text);
        if (canvas.at < (all.get(page)?.at ?? 0)) continue; // it was written after all
        all.set(page, canvas);
        store.put(canvas, page);
      }
      const newest = [...all.keys()].sort((a, b) => (all.get(b).at ?? 0) - (all.get(a).at ?? 0));
      for (const old of newest.slice(MOST)) if (old !== id) store.delete(old);
      return all.get(id) ?? all.get(newest[0]);
    });
    for (const [key, text] of left) if (localStorage.getItem(key) === text) localStorage.removeItem(key);
    return found;
  }

  // Keeps what changes: ``now()`` promises the canvas as it is, ``atOnce()`` has it; ``refused()`` is told when
  // the browser keeps nothing.
  class Keeper {
    constructor({ now, atOnce, refused }) {
      Object.assign(this, { now, atOnce, refused, dirty: false, left: false, keeping: null });
      addEventListener("pagehide", () => this.leave());
      document.addEventListener("visibilitychange", () => { if (document.hidden) this.leave(); });
      addEventListener("beforeunload", (event) => { if (!this.leave()) event.preventDefault(); });
    }

    changed() {
      this.dirty = true;
      this.left = false;
      this.keeping ??= this.keep().finally(() => { this.keeping = null; });
    }

    async keep() { // what changes meanwhile is kept too
      while (this.dirty) {
        this.dirty = false;
        const at = Date.now();
        try {
          const canvas = { ...(await this.now()), at };
          await stored("readwrite", (store) => asked(store.put(canvas, id)));
          if (!this.dirty) localStorage.removeItem(LEFT + id);
        } catch {
          this.refused();
        }
      }
    }

    leave() { // what is not kept yet; whether that could be
      if (!this.keeping || this.left) return true;
      try {
        localStorage.setItem(LEFT + id, JSON.stringify({ ...this.atOnce(), at: Date.now() }));
        this.left = true;
      } catch { // there is no room: the browser asks whether to go, and meanwhile it is kept
      }
      return this.left;
    }
  }

  return { kept, Keeper };
})();
