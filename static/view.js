// Where a picture stands in the box it is looked at through, and how large. Knows no masks or tools.
window.AtelierView = class {
  static ZOOM = [0.05, 40];

  constructor() {
    this.margins = [0, 0, 0, 0]; // left, top, right, bottom: room around the picture
    this.zoom = 1;
    this.x = this.y = 0; // the picture's corner, in pixels of the box
    this.fitted = true; // all of it is shown, whatever the box's size becomes
    this.tip = null; // where the brush is, in pixels of the picture
    this.size = 24; // of the brush
    this.width = this.height = 0; // of the picture; 0 while there is none
  }

  mount(box) { // the elements, each time that they are made
    this.box = box;
    this.sheet = box.querySelector(".sheet");
    this.ring = box.querySelector(".tip");
    new ResizeObserver(() => this.place()).observe(box);
  }

  show(width, height) {
    Object.assign(this, { width, height });
    Object.assign(this.sheet.style, { width: `${width}px`, height: `${height}px` });
    this.place();
  }

  fit() {
    this.fitted = true;
    this.place();
  }

  place() {
    if (!this.width || !this.box?.clientWidth) return;
    const [left, top, right, bottom] = this.margins;
    if (this.fitted) {
      const width = this.width + left + right, height = this.height + top + bottom;
      const { clientWidth, clientHeight } = this.box;
      this.zoom = this.clamped(Math.min((clientWidth - 24) / width, (clientHeight - 24) / height));
      this.x = (clientWidth - width * this.zoom) / 2 + left * this.zoom;
      this.y = (clientHeight - height * this.zoom) / 2 + top * this.zoom;
    }
    this.sheet.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.zoom})`;
    this.sheet.style.setProperty("--line", `${1.5 / this.zoom}px`);
    this.sheet.classList.toggle("pixels", this.zoom >= 6);
    this.sheet.querySelector(".margins").style.inset = `-${top}px -${right}px -${bottom}px -${left}px`;
    this.aim();
    this.onplace?.();
  }

  clamped(zoom) {
    return Math.max(this.constructor.ZOOM[0], Math.min(this.constructor.ZOOM[1], zoom));
  }

  zoomed(factor, x = this.box.clientWidth / 2, y = this.box.clientHeight / 2) { // around a point of the box
    const zoom = this.clamped(this.zoom * factor), grown = zoom / this.zoom;
    this.moved((1 - grown) * (x - this.x), (1 - grown) * (y - this.y), zoom);
  }

  moved(dx, dy, zoom = this.zoom) {
    Object.assign(this, { x: this.x + dx, y: this.y + dy, zoom, fitted: false });
    this.place();
  }

  aim() { // the ring that shows the brush
    this.ring.hidden = !this.tip || !this.width;
    if (this.ring.hidden) return;
    const [x, y] = this.tip, side = Math.max(3, this.size * this.zoom);
    const left = this.x + x * this.zoom - side / 2, top = this.y + y * this.zoom - side / 2;
    Object.assign(this.ring.style, {
      width: `${side}px`, height: `${side}px`, transform: `translate(${left}px, ${top}px)`,
    });
  }

  within(event) {
    const box = this.box.getBoundingClientRect();
    return [event.clientX - box.left - this.box.clientLeft, event.clientY - box.top - this.box.clientTop];
  }

  onPicture(event) {
    const [x, y] = this.within(event);
    return [(x - this.x) / this.zoom, (y - this.y) / this.zoom];
  }
};
