// The mask over a picture: what is painted, and what can be undone; and a sketch, which is as
// a mask in several colours. Knows no pointers or keys.
window.AtelierMask = (() => {
  const TINT = [255, 38, 92];
  const MOST_UNDO = 128 * 2 ** 20; // bytes of what can be undone

  const blank = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

  let spare = null; // a layer as a stroke began: one for all, as one is painted at a time
  const before = (width, height) => {
    if (spare?.canvas.width !== width || spare.canvas.height !== height)
      spare = blank(width, height).getContext("2d", { willReadFrequently: true });
    return spare;
  };

  class Mask {
    constructor(width, height, tint = TINT) {
      this.width = width;
      this.height = height;
      this.tint = tint;
      this.canvas = blank(width, height); // the tint, its alpha the mask
      this.ink = this.canvas.getContext("2d", { willReadFrequently: true });
      this.done = [];
      this.undone = [];
      this.stroke = null;
    }

    // A stroke, in pixels of the picture

    begin(x, y, size, erases) {
      this.remember();
      this.stroke = { x, y, size, erases, box: null };
      this.to(x, y);
    }

    to(x, y) {
      const stroke = this.stroke;
      this.ink.globalCompositeOperation = stroke.erases ? "destination-out" : "source-over";
      this.ink.strokeStyle = this.ink.fillStyle = `rgb(${this.tint})`;
      this.ink.lineCap = this.ink.lineJoin = "round";
      this.ink.lineWidth = stroke.size;
      this.ink.beginPath();
      if (x === stroke.x && y === stroke.y) { // a line of no length is not drawn
        this.ink.arc(x, y, stroke.size / 2, 0, 2 * Math.PI);
        this.ink.fill();
      } else {
        this.ink.moveTo(stroke.x, stroke.y);
        this.ink.lineTo(x, y);
        this.ink.stroke();
      }
      this.ink.globalCompositeOperation = "source-over";
      const reach = stroke.size / 2 + 2;
      const box = stroke.box ?? [this.width, this.height, 0, 0];
      stroke.box = [
        Math.max(0, Math.min(box[0], Math.floor(Math.min(x, stroke.x) - reach))),
        Math.max(0, Math.min(box[1], Math.floor(Math.min(y, stroke.y) - reach))),
        Math.min(this.width, Math.max(box[2], Math.ceil(Math.max(x, stroke.x) + reach))),
        Math.min(this.height, Math.max(box[3], Math.ceil(Math.max(y, stroke.y) + reach))),
      ];
      stroke.x = x;
      stroke.y = y;
    }

    end() {
      const [left, top, right, bottom] = this.stroke.box;
      this.stroke = null;
      if (right > left && bottom > top) this.note(left, top, right - left, bottom - top);
    }

    cancel() {
      this.stroke = null;
      this.ink.clearRect(0, 0, this.width, this.height);
      this.ink.drawImage(before(this.width, this.height).canvas, 0, 0);
    }

    // All of it at once

    clear() {
      this.whole(() => this.ink.clearRect(0, 0, this.width, this.height));
    }

    invert() {
      this.whole(() => {
        this.ink.globalCompositeOperation = "source-out";
        this.ink.fillStyle = `rgb(${this.tint})`;
        this.ink.fillRect(0, 0, this.width, this.height);
        this.ink.globalCompositeOperation = "source-over";
      });
    }

    take(image) { // white is masked, black and what is transparent is not; a region's may have another size
      const seen = blank(this.width, this.height).getContext("2d");
      seen.fillRect(0, 0, this.width, this.height);
      seen.drawImage(image, 0, 0, this.width, this.height);
      const { data } = seen.getImageData(0, 0, this.width, this.height);
      const alpha = new Uint8Array(this.width * this.height);
      for (let k = 0; k < alpha.length; k++)
        alpha[k] = Math.round(0.299 * data[4 * k] + 0.587 * data[4 * k + 1] + 0.114 * data[4 * k + 2]);
      this.whole(() => this.put({ x: 0, y: 0, w: this.width, h: this.height }, alpha));
    }

    whole(paint) {
      this.remember();
      paint();
      this.note(0, 0, this.width, this.height);
    }

    // Undo: the alpha of the box that changed, before and after

    remember() {
      const was = before(this.width, this.height);
      was.clearRect(0, 0, this.width, this.height);
      was.drawImage(this.canvas, 0, 0);
    }

    note(x, y, w, h) {
      const box = { x, y, w, h };
      this.done.push({ ...box, before: this.read(before(this.width, this.height), box), after: this.read(this.ink, box) });
      this.undone = [];
      const size = () => this.done.reduce((sum, change) => sum + 2 * change.after.length, 0);
      while (this.done.length > 1 && size() > MOST_UNDO) this.done.shift();
    }

    undo() {
      const change = this.done.pop();
      if (!change) return false;
      this.put(change, change.before);
      this.undone.push(change);
      return true;
    }

    redo() {
      const change = this.undone.pop();
      if (!change) return false;
      this.put(change, change.after);
      this.done.push(change);
      return true;
    }

    read(context, { x, y, w, h }) {
      const { data } = context.getImageData(x, y, w, h);
      return Uint8Array.from({ length: w * h }, (_, k) => data[4 * k + 3]);
    }

    put({ x, y, w, h }, alpha) {
      const pixels = this.ink.createImageData(w, h);
      for (let k = 0; k < alpha.length; k++) pixels.data.set([...this.tint, alpha[k]], 4 * k);
      this.ink.putImageData(pixels, x, y);
    }

    // What leaves the browser, or stays in it

    covered() { // the share of the picture that is masked, 0 to 1
      const { data } = this.ink.getImageData(0, 0, this.width, this.height);
      let sum = 0;
      for (let k = 3; k < data.length; k += 4) sum += data[k];
      return sum / 255 / (this.width * this.height);
    }

    png() { // grey without transparency, white where it is masked
      const made = blank(this.width, this.height).getContext("2d");
      made.drawImage(this.canvas, 0, 0);
      for (const [operation, colour] of [["source-in", "#fff"], ["destination-over", "#000"]]) {
        made.globalCompositeOperation = operation;
        made.fillStyle = colour;
        made.fillRect(0, 0, this.width, this.height);
      }
      return made.canvas.toDataURL("image/png");
    }

    blob() {
      return new Promise((resolve) => this.canvas.toBlob(resolve, "image/png"));
    }

    url() { // the same at once
      return this.canvas.toDataURL("image/png");
    }

    async restore(kept) { // what blob() or url() made; nothing to undo
      const blob = typeof kept === "string" ? await (await fetch(kept)).blob() : kept;
      const image = await createImageBitmap(blob);
      this.ink.clearRect(0, 0, this.width, this.height);
      this.ink.drawImage(image, 0, 0);
    }
  }

  class Sketch extends Mask { // its tint is the colour that is painted with
    read(context, { x, y, w, h }) {
      return context.getImageData(x, y, w, h).data;
    }

    put({ x, y, w, h }, colours) {
      this.ink.putImageData(new ImageData(colours, w, h), x, y);
    }

    png() {
      return this.url();
    }

    take(image) {
      this.whole(() => {
        this.ink.clearRect(0, 0, this.width, this.height);
        this.ink.drawImage(image, 0, 0);
      });
    }
  }
  Mask.Sketch = Sketch;
  return Mask;
})();
