// The image: fetched, fitted, zoomed, moved, and shown with more or less contrast. What can't be shown is told in its place.

const STEP = 1.25; // of one zoom, and of one step of contrast
const KEPT = 24; // images kept in the page
const LONG = 400; // milliseconds after which it is said that an image is still being read

export class Stage {
  constructor(box, image, instead, sliders) {
    Object.assign(this, { box, image, instead, sliders, scale: 1, x: 0, y: 0, fitted: true, kept: new Map(), shown: 0 });
    new ResizeObserver(() => this.fitted && this.fit()).observe(box);
    box.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    box.addEventListener("pointerdown", (event) => this.drag(event));
    for (const slider of Object.values(sliders)) slider.addEventListener("input", () => this.light());
  }

  // The image at an address; resolves once it, or the sentence in its place, is to be seen.
  async show(address) {
    const turn = ++this.shown;
    this.image.hidden = true;
    this.instead.hidden = true;
    this.failed = false;
    const patience = setTimeout(() => this.tell("Reading the image …"), LONG);
    try {
      const url = await this.fetched(address);
      if (turn !== this.shown) return;
      this.image.src = url;
      await this.image.decode();
      if (turn !== this.shown) return;
      this.image.hidden = false;
      this.instead.hidden = true;
      this.fit();
    } catch (error) {
      this.failed = turn === this.shown;
      if (this.failed) this.tell(error.message || "The image cannot be shown.");
    } finally {
      clearTimeout(patience);
    }
  }

  // A sentence, or elements, where the image would be.
  tell(...what) {
    this.image.hidden = true;
    this.instead.replaceChildren(...what);
    this.instead.hidden = false;
  }

  // An address of this page's own for what lies at `address`; kept, so that the next image is there at once.
  async fetched(address) {
    if (!this.kept.has(address)) {
      const load = async () => {
        const reply = await fetch(address);
        if (!reply.ok) throw new Error(await reply.text());
        return URL.createObjectURL(await reply.blob());
      };
      const loading = load();
      this.kept.set(address, loading);
      loading.catch(() => this.kept.delete(address)); // asked for again when it is shown again
      for (const old of [...this.kept.keys()].slice(0, -KEPT)) {
        this.kept.get(old).then((url) => URL.revokeObjectURL(url), () => {});
        this.kept.delete(old);
      }
    }
    return this.kept.get(address);
  }

  fit() {
    const { naturalWidth: width, naturalHeight: height } = this.image;
    if (!width) return;
    this.fitted = true;
    this.scale = Math.min(this.box.clientWidth / width, this.box.clientHeight / height);
    this.x = (this.box.clientWidth - width * this.scale) / 2;
    this.y = (this.box.clientHeight - height * this.scale) / 2;
    this.place();
  }

  zoom(steps, x = this.box.clientWidth / 2, y = this.box.clientHeight / 2) {
    const factor = STEP ** steps;
    if (this.scale * factor > 64 || this.scale * factor < 1 / 64) return;
    this.fitted = false;
    this.scale *= factor;
    this.x = x - (x - this.x) * factor; // the point under the pointer stays
    this.y = y - (y - this.y) * factor;
    this.place();
  }

  move(x, y) {
    this.fitted = false;
    this.x += x;
    this.y += y;
    this.place();
  }

  place() {
    const { naturalWidth: width, naturalHeight: height } = this.image;
    this.x = within(this.x, 40 - width * this.scale, this.box.clientWidth - 40); // some of it is always to be seen
    this.y = within(this.y, 40 - height * this.scale, this.box.clientHeight - 40);
    this.image.style.width = `${width * this.scale}px`;
    this.image.style.height = `${height * this.scale}px`;
    this.image.style.transform = `translate(${this.x}px, ${this.y}px)`;
    this.image.classList.toggle("pixels", this.scale >= 2);
  }

  wheel(event) {
    event.preventDefault();
    const corner = this.box.getBoundingClientRect();
    this.zoom(-Math.sign(event.deltaY), event.clientX - corner.left, event.clientY - corner.top);
  }

  drag(event) {
    if (event.button !== 0 || this.image.hidden) return;
    this.box.setPointerCapture(event.pointerId);
    this.box.classList.add("dragged");
    const moved = (next) => this.move(next.movementX, next.movementY);
    this.box.addEventListener("pointermove", moved);
    this.box.addEventListener("lostpointercapture", () => {
      this.box.removeEventListener("pointermove", moved);
      this.box.classList.remove("dragged");
    }, { once: true });
  }

  // One step more or less of "contrast" or "brightness".
  adjust(name, steps) {
    this.sliders[name].value = Number(this.sliders[name].value) + steps;
    this.light();
  }

  light() {
    const times = (name) => STEP ** Number(this.sliders[name].value);
    this.image.style.filter = `brightness(${times("brightness")}) contrast(${times("contrast")})`;
  }

  reset() {
    for (const slider of Object.values(this.sliders)) slider.value = 0;
    this.light();
    this.fit();
  }
}

function within(value, least, most) {
  return Math.min(Math.max(value, Math.min(least, most)), Math.max(least, most));
}
