// The canvas of the Edit tab: shows a picture and its mask, and turns pointers and keys into strokes.
// Its state outlives the elements it is shown in, as a tab switch may make them anew. Knows no jobs or settings.
window.AtelierEdit = (() => {
  const Layers = window.AtelierLayers, Memory = window.AtelierMemory, view = new window.AtelierView();
  const MOST_BYTES = 20e6; // of a mask's file
  const state = {
    picture: null, // {name, url, width, height}
    layers: null,
    tool: "brush",
    space: false, // is held
    opened: 0,
  };
  const touches = new Map(); // fingers on the view
  let root, box, gesture, drawing, chooser;
  const layer = () => state.layers?.active; // what is painted
  const part = (name) => root.querySelector(`[data-do=${name}]`);
  const say = (text) => { if (root) root.querySelector(".said").textContent = text; };

  // A picture comes

  async function open(picture, { mask, sketch, regions = [], keepMask, kept } = {}) {
    const turn = ++state.opened;
    const same = keepMask && state.layers?.width === picture.width && state.layers.height === picture.height;
    const next = same ? state.layers : new Layers(picture.width, picture.height);
    try {
      await loaded(picture.url);
      if (kept) await next.restore(kept);
      if (mask) next.mask.take(await loaded(mask));
      if (sketch) next.sketched().take(await loaded(sketch));
      for (const { url, ...words } of regions) next.add(words).mask.take(await loaded(url));
    } catch {
      if (turn === state.opened) say("The picture is no longer there. Open it again, or another one.");
      return;
    }
    if (turn !== state.opened) return; // another one was opened since
    if (same && next.sketch?.covered()) next.sketch.clear(); // it was drawn
    Object.assign(state, { picture, layers: next });
    Object.assign(view, { fitted: true, tip: null });
    if (!kept && !same) view.size = Math.max(4, Math.round(Math.min(picture.width, picture.height) / 8));
    show();
    changed(); // a canvas that another page left is this page's own from now on
  }

  async function loaded(url) {
    const picture = new Image();
    picture.src = url;
    await picture.decode();
    return picture;
  }

  // The mask changed

  const keeper = new Memory.Keeper({
    now: async () => ({ picture: state.picture, ...(await state.layers.blobs()) }),
    atOnce: () => ({ picture: state.picture, ...state.layers.urls() }),
    refused: () => say("This browser does not let the mask be kept: a reload would lose it."),
  });

  function changed(what = "") {
    tell(what);
    keeper.changed();
  }

  function tell(what = "") {
    if (!root || !state.layers) return;
    chooser.show(state.layers);
    const { layers, picture } = state;
    const share = 100 * layer().covered();
    const percent = share > 0 && share < 1 ? "less than 1" : Math.round(share);
    const masked = layer() !== layers.mask ? `${layers.name()}: ${percent} % of the picture.`
      : share === 0 ? "Nothing is masked: all of the picture is drawn over."
      : `${share < 1 ? "Less than 1" : percent} % of the picture is masked.`;
    say(`${what} ${picture.width} × ${picture.height}. ${masked}`.trim());
    part("undo").disabled = !layer().done.length;
    part("redo").disabled = !layer().undone.length;
    part("invert").disabled = layer() === layers.sketch;
  }

  async function load(file) { // a mask
    const refuse = (got, allowed) => say(`Mask: got ${got}; allowed: ${allowed}.`);
    if (!state.layers) return refuse("one without a picture", "one for the picture that is open");
    if (file.size > MOST_BYTES) return refuse(`${Math.round(file.size / 1e6)} MB`, "at most 20 MB");
    const found = await createImageBitmap(file).catch(() => null);
    const { width, height } = state.layers;
    if (!found) return refuse("a file that is no picture", "PNG, JPEG or WebP");
    if (found.width !== width || found.height !== height)
      return refuse(`${found.width} x ${found.height} pixels`, `the ${width} x ${height} of its picture`);
    layer().take(found);
    changed(`${state.layers.name()}: loaded.`);
  }

  const actions = {
    open: () => document.querySelector("#edit-file input[type=file]")?.click(),
    load: () => root.querySelector(".mask-file").click(),
    brush: () => hold("brush"),
    eraser: () => hold("eraser"),
    smaller: () => sized(Math.min(view.size - 1, Math.round(view.size / 1.2))),
    larger: () => sized(Math.max(view.size + 1, Math.round(view.size * 1.2))),
    undo: () => { if (layer()?.undo()) changed("Undone."); },
    redo: () => { if (layer()?.redo()) changed("Done again."); },
    invert: () => { if (state.layers && layer() !== state.layers.sketch) { layer().invert(); changed("Inverted."); } },
    clear: () => { if (state.layers) { layer().clear(); changed("Cleared."); } },
    in: () => view.zoomed(1.25),
    out: () => view.zoomed(0.8),
    fit: () => view.fit(),
  };

  function hold(tool) {
    state.tool = tool;
    for (const name of ["brush", "eraser"]) part(name).setAttribute("aria-pressed", String(name === tool));
    say(tool === "brush" ? "Brush: paints." : "Eraser: takes away what is painted.");
  }

  function sized(size) {
    view.size = Math.max(1, Math.min(Number(part("size").max), size));
    part("size").value = view.size;
    part("size").nextElementSibling.textContent = view.size;
    view.aim();
  }

  function show() {
    if (!root || !state.picture) return;
    const { picture, layers } = state, image = box.querySelector("img");
    box.classList.remove("empty");
    box.querySelector(".sheet").hidden = false;
    if (image.getAttribute("src") !== picture.url) image.src = picture.url;
    stack();
    part("size").max = Math.max(16, Math.round(Math.max(picture.width, picture.height) / 2));
    view.show(picture.width, picture.height);
    sized(view.size);
    tell();
  }

  function stack() { // the layers over the picture; the one that is painted is on top
    const image = box.querySelector(".sheet img");
    box.querySelectorAll(".sheet canvas").forEach((canvas) => canvas.remove());
    const others = state.layers.all.filter((one) => one !== layer());
    for (const one of [...others, layer()]) image.parentNode.append(one.canvas);
    for (const one of state.layers.all) one.canvas.classList.toggle("active", one === layer());
  }

  function chosen(what, keeps) { // another layer, or other words of a region
    stack();
    if (keeps) changed(what); else tell(what);
  }

  // Pointers: one draws (or pans, with space or the middle button), two fingers zoom and pan

  function down(event) {
    if (!state.layers) return actions.open();
    box.focus({ preventScroll: true });
    box.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") touches.set(event.pointerId, view.within(event));
    if (touches.size === 2) {
      if (gesture === "stroke") layer().cancel();
      gesture = "pinch";
    } else if (touches.size < 2 && !gesture) {
      if (event.button === 1 || state.space) gesture = "pan";
      else if (event.button === 0 || event.button === 5) { // 5 is the eraser of a pen
        gesture = "stroke";
        drawing = event.pointerId;
        layer().begin(...view.onPicture(event), view.size, state.tool === "eraser" || event.button === 5);
      }
    }
    event.preventDefault();
  }

  function move(event) {
    if (!state.layers) return;
    view.tip = view.onPicture(event);
    if (gesture === "stroke") {
      if (event.pointerId !== drawing) return; // a palm beside the pen
      const all = event.getCoalescedEvents?.() ?? [];
      for (const one of all.length ? all : [event]) layer().to(...view.onPicture(one));
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
    if (gesture === "stroke" && event.pointerId !== drawing) return;
    if (gesture === "stroke") {
      layer().end();
      changed();
    }
    if (gesture !== "pinch" || touches.size === 0) gesture = null; // the last finger of two draws nothing
    if (event.pointerType === "touch") view.tip = null;
    view.aim();
  }

  // Keys: those of the tools while nothing is typed, those of the brush while the view has the focus

  const typing = (target) => target instanceof Element && target.closest(
    "input:not([type=range], [type=checkbox], [type=file], [type=color]), textarea, select, [contenteditable=true], [role=combobox], [role=listbox]");
  const LETTERS = { b: "brush", e: "eraser", x: "invert", "[": "smaller", "]": "larger" };
  const IN_VIEW = { "+": "in", "=": "in", "-": "out", 0: "fit" };
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  function key(event) {
    if (!box?.offsetParent || typing(event.target) || event.isComposing || gesture) return;
    if (event.altKey && !"[]".includes(event.key)) return; // which some keyboards have on Option
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
    if (!state.layers) return pressed === "Enter" ? actions.open() : undefined;
    const [dx, dy] = ARROWS[pressed] ?? [0, 0];
    if (state.space) return view.moved(-40 * dx, -40 * dy);
    const from = view.tip ?? [state.picture.width / 2, state.picture.height / 2];
    const far = Math.max(1, Math.round(view.size / 4));
    const limit = [state.picture.width, state.picture.height];
    view.tip = [dx, dy].map((d, k) => Math.max(0, Math.min(limit[k], from[k] + d * far)));
    if (paints || pressed === "Enter") {
      layer().begin(...from, view.size, state.tool === "eraser");
      layer().to(...view.tip);
      layer().end();
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
    chooser = new Layers.Chooser(root, chosen);
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
      if (!state.layers) return;
      event.preventDefault();
      view.zoomed(Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 500)), ...view.within(event));
    }, { passive: false });
    show();
  }

  document.addEventListener("input", (event) => { // a picture and what was made of it, under one slider
    event.target.closest?.(".compare")?.style.setProperty("--at", `${event.target.value}%`);
  });

  Memory.kept().then((kept) => {
    if (kept && !state.opened) return open(kept.picture, { kept });
  }).catch(() => {}); // a browser that keeps nothing says so when there is something to keep

  return {
    mount,
    open: (text) => { if (text) { const { picture, ...how } = JSON.parse(text); open(picture, how); } },
    margins: (...sides) => {
      view.margins = sides.map((side) => Math.max(0, Math.round(side) || 0));
      view.place();
    },
    given: () => state.layers ? [state.picture.name, ...state.layers.given()] : ["", "", "", ""],
  };
})();
