// The tool that gives an image one of several classes: a button each, its key, and a field to find one by typing.
// A tool has `show(view)`, which draws it, and `key(key)`, which tells whether it took a key; it calls `give(answer)`.

const MANY = 12; // classes from which on they are also found by typing

export class Classes {
  constructor(box, give) {
    this.give = give;
    this.find = document.createElement("input");
    Object.assign(this.find, { type: "search", className: "find", placeholder: "Find a class ( / )", ariaLabel: "Find a class" });
    this.find.addEventListener("input", () => this.narrow());
    this.find.addEventListener("keydown", (event) => this.typed(event));
    this.list = document.createElement("ul");
    this.list.className = "classes";
    box.replaceChildren(this.find, this.list);
  }

  show(view) {
    this.classes = view.classes;
    this.list.classList.toggle("many", view.classes.length > MANY);
    this.find.hidden = view.classes.length <= MANY;
    const names = view.classes.map((each) => each.name).join("\n");
    if (names !== this.names) { // else the buttons stay, and with them the focus
      this.names = names;
      this.list.replaceChildren(...view.classes.map((each) => this.item(each)));
    }
    for (const [at, item] of [...this.list.children].entries()) {
      const button = item.firstChild;
      button.disabled = !view.image;
      button.ariaPressed = String(Boolean(view.image) && view.image.answer.label === view.classes[at].name);
    }
    this.narrow();
  }

  item({ name, key }) {
    const [item, button] = [document.createElement("li"), document.createElement("button")];
    button.type = "button";
    if (key) {
      const shown = document.createElement("kbd");
      shown.textContent = key;
      button.append(shown);
    }
    button.append(` ${name}`);
    button.addEventListener("click", () => this.give({ label: name, state: "" }));
    item.append(button);
    return item;
  }

  key(key) {
    if (key === "/" && !this.find.hidden) {
      this.find.focus();
      return true;
    }
    const meant = this.classes?.find((each) => each.key && each.key === key.toLowerCase());
    if (meant) this.give({ label: meant.name, state: "" });
    return Boolean(meant);
  }

  narrow() {
    const text = this.find.hidden ? "" : this.find.value.trim().toLowerCase();
    for (const [at, item] of [...this.list.children].entries()) item.hidden = !this.classes[at].name.toLowerCase().includes(text);
  }

  typed(event) {
    const first = this.classes.find((each) => each.name.toLowerCase().includes(this.find.value.trim().toLowerCase()));
    if (event.key === "Enter" && this.find.value.trim() && first) this.give({ label: first.name, state: "" });
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    this.find.value = "";
    this.narrow();
    this.find.blur();
  }
}
