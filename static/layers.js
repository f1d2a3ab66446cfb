// What is painted on a picture: its mask, a sketch in colours, and regions with prompts of their own; and the
// buttons that choose which of them the brush paints. Knows no pointers and no keys.
window.AtelierLayers = (() => {
  const Mask = window.AtelierMask;
  const MOST = 6; // regions
  const COLOURS = [[30, 120, 255], [255, 150, 0], [0, 160, 100], [150, 80, 225], [0, 180, 200], [150, 110, 0]];
  const RED = "#d03030"; // what a sketch begins with

  class Layers {
    constructor(width, height) {
      Object.assign(this, { width, height, colour: RED, regions: [], sketch: null });
      this.mask = new Mask(width, height);
      this.active = this.mask;
    }

    get all() {
      return [this.mask, ...(this.sketch ? [this.sketch] : []), ...this.regions.map((region) => region.mask)];
    }

    get region() { // the one that is painted, if it is one
      return this.regions.find((region) => region.mask === this.active);
    }

    sketched() { // it is made when it is first wanted: a layer of a large picture is large
      this.sketch ??= new Mask.Sketch(this.width, this.height);
      this.sketch.canvas.className = "sketch";
      this.paintWith(this.colour);
      return this.sketch;
    }

    paintWith(colour) { // "#rrggbb"
      this.colour = colour;
      if (this.sketch) this.sketch.tint = [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));
    }

    add({ prompt = "", weight = 1 } = {}) {
      if (this.regions.length === MOST) return null;
      const colour = COLOURS.find((one) => !this.regions.some((region) => region.mask.tint === one));
      const region = { prompt, weight, mask: new Mask(this.width, this.height, colour) };
      this.regions.push(region);
      return region;
    }

    remove(region) {
      this.regions.splice(this.regions.indexOf(region), 1);
      this.active = this.mask;
    }

    name(layer = this.active) {
      if (layer === this.mask) return "Mask";
      return layer === this.sketch ? "Sketch" : `Region ${this.regions.findIndex((r) => r.mask === layer) + 1}`;
    }

    // What leaves the browser, or stays in it

    given() { // as the studio reads it: [mask, sketch, regions]
      const png = (layer) => (layer?.covered() ? layer.png() : "");
      const regions = this.regions.map(({ prompt, weight, mask }) => ({ prompt, weight, mask: png(mask) }));
      return [png(this.mask), png(this.sketch), regions.length ? JSON.stringify(regions) : ""];
    }

    async blobs() {
      const regions = this.regions.map(async ({ prompt, weight, mask }) => ({ prompt, weight, mask: await mask.blob() }));
      return { mask: await this.mask.blob(), sketch: await this.sketch?.blob(), regions: await Promise.all(regions) };
    }

    urls() { // the same at once
      const regions = this.regions.map(({ prompt, weight, mask }) => ({ prompt, weight, mask: mask.url() }));
      return { mask: this.mask.url(), sketch: this.sketch?.url(), regions };
    }

    async restore({ mask, sketch, regions = [] }) { // what blobs() or urls() made
      await this.mask.restore(mask);
      if (sketch) await this.sketched().restore(sketch);
      for (const { mask: blob, ...words } of regions) await this.add(words)?.mask.restore(blob);
    }
  }

  // The buttons and the words of the region that is painted

  class Chooser {
    constructor(root, onchange) { // onchange(what was said, whether anything has to be kept)
      this.chips = root.querySelector(".chips");
      this.panel = root.querySelector(".region");
      this.words = this.panel.querySelector("textarea");
      this.weight = this.panel.querySelector("input");
      this.colour = root.querySelector("[data-do=colour]");
      this.onchange = onchange;
      this.chips.addEventListener("click", (event) => this.choose(event.target.closest("button")?.dataset.layer));
      this.panel.querySelector("button").addEventListener("click", () => this.remove());
      this.colour.addEventListener("input", () => this.layers?.paintWith(this.colour.value));
      this.words.addEventListener("input", () => this.said("prompt", this.words.value));
      this.weight.addEventListener("input", () => {
        if (this.weight.value !== "") this.said("weight", Number(this.weight.value));
      });
    }

    show(layers) {
      this.layers = layers;
      const { mask, regions, active } = layers;
      const chip = (layer, name, label, tint = "") => {
        const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
        button.dataset.layer = layer;
        if (label) button.setAttribute("aria-label", label);
        if (tint) button.style.setProperty("--tint", `rgb(${tint})`);
        return button;
      };
      const pressed = (button, on) => (button.setAttribute("aria-pressed", String(on)), button);
      const made = [
        pressed(chip("mask", "Mask", "", mask.tint), active === mask),
        pressed(chip("sketch", "Sketch", "Sketch: colours to begin from"), active === layers.sketch),
        ...regions.map(({ prompt, mask: its }, k) =>
          pressed(chip(k, `${k + 1}`, `Region ${k + 1}: ${prompt || "no prompt yet"}`, its.tint), its === active)),
      ];
      if (regions.length < MOST) made.push(chip("add", "+ Region", "Add a region with a prompt of its own"));
      this.chips.replaceChildren(...made);
      this.colour.hidden = active !== layers.sketch;
      this.colour.value = layers.colour;
      const region = layers.region;
      this.panel.hidden = !region;
      if (!region) return;
      this.panel.style.setProperty("--tint", `rgb(${region.mask.tint})`);
      this.panel.querySelector("b").textContent = layers.name();
      if (this.words.value !== region.prompt) this.words.value = region.prompt;
      if (Number(this.weight.value) !== region.weight) this.weight.value = region.weight;
    }

    choose(which) {
      const layers = this.layers;
      if (!which || !layers) return;
      if (which === "mask") layers.active = layers.mask;
      else if (which === "sketch") layers.active = layers.sketched();
      else layers.active = (which === "add" ? layers.add() : layers.regions[which]).mask;
      this.onchange(`${layers.name()}: the brush paints it.`, which === "add");
      (which === "add" ? this.words : this.chips.querySelector("[aria-pressed=true]")).focus({ preventScroll: true });
    }

    said(field, value) {
      this.layers.region[field] = value;
      this.onchange("", true);
    }

    remove() {
      const name = this.layers.name();
      this.layers.remove(this.layers.region);
      this.onchange(`${name} was removed.`, true);
      this.chips.firstElementChild.focus({ preventScroll: true });
    }
  }

  return Object.assign(Layers, { Chooser });
})();
