// The canvas of the Edit tab: shows a picture and its mask, and turns pointers and keys into strokes.
// Its state outlives the elements it is shown in, as a tab switch may make them anew. Knows no jobs or settings.
window.AtelierEdit = (() => {
  const Mask = window.AtelierMask, view = new window.AtelierView();
  const MOST_BYTES = 20e6; // of a mask's file
  const state = {
    picture: null, // {name, url, width, height}
    mask: null,
    tool: "brush",
    space: false, // is held
    opened: 0,
  };
  const touches = new Map(); // fingers on the view
  let root, box, gesture, dirty, keeping;
  const part = (name) => root.querySelector(`[data-do=${name}]`);
  const say = (text) => { if (root) root.querySelector(".said").textContent = text; };

  // A picture comes

  async function open(picture, { mask, keepMask, kept } = {}) {
    const turn = ++state.opened;
    const same = keepMask && state.mask?.width === picture.width && state.mask.height === picture.height;
    const next = same ? state.mask : new Mask(picture.width, picture.height);
    try {
      await loaded(picture.url);
      if (kept) await next.restore(kept);
      if (mask) next.take(await loaded(mask));
    } catch {
      if (turn === state.opened) say("The picture is no longer there. Open it again, or another one.");
      return;
    }
    if (turn !== state.opened) return; // another one was opened since
    Object.assign(state, { picture, mask: next });
    Object.assign(view, { fitted: true, tip: null });
    if (!kept && !same) view.size = Math.max(4, Math.round(Math.min(picture.width, picture.height) / 8));
    show();
    if (kept) tell(); else changed();
  }

  async function loaded(url) {
    const picture = new Image();
    picture.src = url;
    await picture.decode();
    return picture;
  }

  // The mask changed

  function changed(what = "") {
    tell(what);
    dirty = true;
    keeping ??= keep().finally(() => { keeping = null; });
  }

  async function keep() { // in the browser's memory; what changes meanwhile is kept too
    while (dirty) {
      dirty = false;
      try {
        await Mask.keep({ picture: state.picture, mask: await state.mask.blob() });
      } catch {
        say("This browser does not let the mask be kept: a reload would lose it.");
      }
    }
  }

  function tell(what = "") {
    if (!root || !state.mask) return;
    const share = 100 * state.mask.covered();
    const masked = share === 0 ? "Nothing is masked: all of the picture is drawn over."
      : `${share < 1 ? "Less than 1" : Math.round(share)} % of the picture is masked.`;
    say(`${what} ${state.picture.width} × ${state.picture.height}. ${masked}`.trim());
    part("undo").disabled = !state.mask.done.length;
    part("redo").disabled = !state.mask.undone.length;
  }

  async function load(file) { // a mask
    const refuse = (got, allowed) => say(`Mask: got ${got}; allowed: ${allowed}.`);
    if (!state.mask) return refuse("one without a picture", "one for the picture that is open");
    if (file.size > MOST_BYTES) return refuse(`${Math.round(file.size / 1e6)} MB`, "at most 20 MB");
    const found = await createImageBitmap(file).catch(() => null);
    const { width, height } = state.mask;
    if (!found) return refuse("a file that is no picture", "PNG, JPEG or WebP");
    if (found.width !== width || found.height !== height)
      return refuse(`${found.width} x ${found.height} pixels`, `the ${width} x ${height} of its picture`);
    state.mask.take(found);
    changed("The mask was loaded.");
  }

  const actions = {
    open: () => document.querySelector("#edit-file input[type=file]")?.click(),
    load: () => root.querySelector(".mask-file").click(),
    brush: () => hold("brush"),
    eraser: () => hold("eraser"),
    smaller: () => sized(Math.min(view.size - 1, Math.round(view.size / 1.2))),
    larger: () => sized(Math.max(view.size + 1, Math.round(view.size * 1.2))),
    undo: () => { if (state.mask?.undo()) changed("Undone."); },
    redo: () => { if (state.mask?.redo()) changed("Done again."); },
    invert: () => { if (state.mask) { state.mask.invert(); changed("Inverted."); } },
    clear: () => { if (state.mask) { state.mask.clear(); changed("Cleared."); } },
    in: () => view.zoomed(1.25),
    out: () => view.zoomed(0.8),
    fit: () => view.fit(),
  };

  function hold(tool) {
    state.tool = tool;
    for (const name of ["brush", "eraser"]) part(name).setAttribute("aria-pressed", String(name === tool));
    say(tool === "brush" ? "Brush: paints the mask." : "Eraser: takes the mask away.");
  }

  function sized(size) {
    view.size = Math.max(1, Math.min(Number(part("size").max), size));
    part("size").value = view.size;
    part("size").nextElementSibling.textContent = view.size;
    view.aim();
  }

  function show() {
    if (!root || !state.picture) return;
    const { picture, mask } = state, image = box.querySelector("img");
    box.classList.remove("empty");
    box.querySelector(".sheet").hidden = false;
    if (image.getAttribute("src") !== picture.url) image.src = picture.url;
    box.querySelector("canvas")?.remove();
    image.after(mask.canvas);
    part("size").max = Math.max(16, Math.round(Math.max(picture.width, picture.height) / 2));
    view.show(picture.width, picture.height);
    sized(view.size);
    tell();
  }

  // Pointers: one draws (or pans, with space or the middle button), two fingers zoom and pan

  function down(event) {
    if (!state.mask) return actions.open();
    box.focus({ preventScroll: true });
    box.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") touches.set(event.pointerId, view.within(event));
    if (touches.size === 2) {
      if (gesture === "stroke") state.mask.cancel();
      gesture = "pinch";
    } else if (touches.size < 2 && !gesture) {
      if (event.button === 1 || state.space) gesture = "pan";
      else if (event.button === 0 || event.button === 5) { // 5 is the eraser of a pen
        gesture = "stroke";
        state.mask.begin(...view.onPicture(event), view.size, state.tool === "eraser" || event.button === 5);
      }
    }
    event.preventDefault();
  }

  function move(event) {
    if (!state.mask) return;
    view.tip = view.onPicture(event);
    if (gesture === "stroke") {
      const all = event.getCoalescedEvents?.() ?? [];
      for (const one of all.length ? all : [event]) state.mask.to(...view.onPicture(one));
    } else if (gesture === "pan") {
      view.moved(event.movementX, event.movementY);
    } else if (gesture === "pinch" && touches.has(event.pointerId)) {
      const before = pinch();
      touches.set(event.pointerId, view.within(event));
      const now = pinch();
      view.moved(now.x - before.x, now.y - before.y);
      if (before.apart > 0) view.zoomed(now.apart / before.apart, now.x, now.y);
    }
    view.aim();
  }

  function pinch() {
    const [[ax, ay], [bx, by]] = [...touches.values()];
    return { x: (ax + bx) / 2, y: (ay + by) / 2, apart: Math.hypot(ax - bx, ay - by) };
  }

  function up(event) {
    touches.delete(event.pointerId);
    if (gesture === "stroke") {
      state.mask.end();
      changed();
    }
    if (gesture !== "pinch" || touches.size === 0) gesture = null; // the last finger of two draws nothing
    if (event.pointerType === "touch") view.tip = null;
    view.aim();
  }

  // Keys: those of the tools while nothing is typed, those of the brush while the view has the focus

  const typing = (target) => target instanceof Element && target.closest(
    "input:not([type=range], [type=checkbox], [type=file]), textarea, select, [contenteditable=true], [role=combobox], [role=listbox]");
  const LETTERS = { b: "brush", e: "eraser", x: "invert", "[": "smaller", "]": "larger" };
  const IN_VIEW = { "+": "in", "=": "in", "-": "out", 0: "fit" };
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  function key(event) {
    if (!box?.offsetParent || typing(event.target) || event.isComposing || event.altKey || gesture) return;
    const here = event.target === box, chord = event.ctrlKey || event.metaKey;
    const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    let name = !chord && LETTERS[pressed];
    if (chord && pressed === "z") name = event.shiftKey ? "redo" : "undo";
    else if (chord && pressed === "y") name = "redo";
    else if (here && !chord) name ||= IN_VIEW[pressed];
    if (name) actions[name]();
    else if (pressed === " " && (here || event.target === document.body)) state.space = true;
    else if (here && !chord && (ARROWS[pressed] || pressed === "Enter")) step(pressed, event.shiftKey);
    else return;
    box.classList.toggle("panning", state.space);
    event.preventDefault();
  }

  function step(pressed, paints) {
    if (!state.mask) return pressed === "Enter" ? actions.open() : undefined;
    const [dx, dy] = ARROWS[pressed] ?? [0, 0];
    if (state.space) return view.moved(-40 * dx, -40 * dy);
    const from = view.tip ?? [state.picture.width / 2, state.picture.height / 2];
    const far = Math.max(1, Math.round(view.size / 4));
    const limit = [state.picture.width, state.picture.height];
    view.tip = [dx, dy].map((d, k) => Math.max(0, Math.min(limit[k], from[k] + d * far)));
    if (paints || pressed === "Enter") {
      state.mask.begin(...from, view.size, state.tool === "eraser");
      state.mask.to(...view.tip);
      state.mask.end();
      changed(`Painted at ${view.tip.map(Math.round).join(", ")}.`);
    } else say(`Brush at ${view.tip.map(Math.round).join(", ")}.`);
    view.aim();
  }

  document.addEventListener("keydown", key);
  document.addEventListener("keyup", (event) => {
    if (event.key !== " ") return;
    state.space = false;
    box?.classList.remove("panning");
  });

  // The elements, each time that they are made

  function mount(element) {
    root = element.querySelector(".easel");
    box = root.querySelector(".view");
    view.onplace = () => { part("fit").textContent = `${Math.round(100 * view.zoom)} %`; };
    view.mount(box);
    root.addEventListener("click", (event) => actions[event.target.closest("button[data-do]")?.dataset.do]?.());
    part("size").addEventListener("input", (event) => sized(Number(event.target.value)));
    root.querySelector(".mask-file").addEventListener("change", (event) => {
      if (event.target.files.length) load(event.target.files[0]);
      event.target.value = "";
    });
    for (const [name, listener] of Object.entries({ pointerdown: down, pointermove: move, pointerup: up, pointercancel: up }))
      box.addEventListener(name, listener);
    box.addEventListener("pointerleave", () => { view.tip = null; view.aim(); });
    box.addEventListener("wheel", (event) => {
      if (!state.mask) return;
      event.preventDefault();
      view.zoomed(Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 500)), ...view.within(event));
    }, { passive: false });
    show();
  }

  document.addEventListener("input", (event) => { // a picture and what was made of it, under one slider
    event.target.closest?.(".compare")?.style.setProperty("--at", `${event.target.value}%`);
  });

  Mask.kept().then((kept) => {
    if (kept && !state.opened) return open(kept.picture, { kept: kept.mask });
  }).catch(() => {}); // a browser that keeps nothing says so when there is something to keep

  return {
    mount,
    open: (text) => { if (text) { const { picture, ...how } = JSON.parse(text); open(picture, how); } },
    margins: (...sides) => {
      view.margins = sides.map((side) => Math.max(0, Math.round(side) || 0));
      view.place();
    },
    given: () => state.mask ? [state.picture.name, state.mask.covered() ? state.mask.png() : ""] : ["", ""],
  };
})();
