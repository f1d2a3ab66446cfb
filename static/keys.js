// What the page does in the browser by itself: names, keys, dropping a picture, light and dark.
() => {
  const visible = (id) => {
    const element = document.getElementById(id);
    return element && element.offsetParent !== null && !element.disabled ? element : null;
  };

  // Buttons that show a sign only.
  const names = {
    swap: "Swap width and height",
    die: "A new seed each time",
    recycle: "Take over the seed of the picture shown",
  };
  for (const [id, name] of Object.entries(names)) {
    const button = document.getElementById(id);
    button?.setAttribute("aria-label", name);
    button?.setAttribute("title", name);
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const generate = visible("generate") ?? visible("edit-generate");
      if (generate) {
        event.preventDefault();
        event.target.dispatchEvent(new Event("change", { bubbles: true })); // a number being typed counts
        setTimeout(() => generate.click(), 50);
      }
    }
  }, true);

  // Escape interrupts, unless it is for something else: an unfinished word of an input method, an open list,
  // a dialog, a picture shown full screen. What is open is looked at before anything closes it.
  const forSomethingElse = (event) =>
    event.isComposing || event.defaultPrevented || document.fullscreenElement ||
    (event.target instanceof Element && event.target.closest(
      "[role=combobox][aria-expanded=true], [role=listbox][aria-expanded=true], [role=dialog], dialog"));
  let interrupts = false;
  window.addEventListener("keydown", (event) => {
    interrupts = event.key === "Escape" && !forSomethingElse(event);
  }, true);
  window.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && interrupts && !event.defaultPrevented) (visible("interrupt") ?? visible("edit-interrupt"))?.click();
  });

  // What is typed into a slider's box stays as it was typed. Gradio would move it into its bounds when the box is
  // left, and something else than was asked for would be drawn; the recipe says what is allowed.
  document.addEventListener("blur", (event) => {
    const box = event.target;
    const slides = box instanceof HTMLInputElement && box.type === "number" &&
      box.closest(".block")?.querySelector("input[type=range]");
    if (slides && !box.validity.valid) event.stopImmediatePropagation();
  }, true);

  // A file that is too large never leaves the browser: the server would refuse it without a word.
  const MOST = 20_000_000; // bytes, as gallery/pictures.py has it
  const tooLarge = (event, files) => {
    const large = [...(files ?? [])].find((file) => file.size > MOST);
    if (!large) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const size = (large.size / 1e6).toFixed(0);
    say(`File: got ${large.name.slice(0, 80)} of ${size} MB; allowed: at most ${MOST / 1e6} MB.`);
    if (event.target instanceof HTMLInputElement) event.target.value = "";
  };
  const say = (words) => {
    const told = document.createElement("div");
    told.className = "toast";
    told.setAttribute("role", "alert");
    told.textContent = words;
    document.querySelector(".toast")?.remove();
    document.body.append(told);
    setTimeout(() => told.remove(), 12_000);
  };
  document.addEventListener("change", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.type === "file") tooLarge(event, event.target.files);
  }, true);
  document.addEventListener("drop", (event) => tooLarge(event, event.dataTransfer?.files), true);

  // A picture dropped anywhere on Create goes where one dropped on the restore box goes, which sees to its own;
  // one dropped on Edit is opened there, and one on the Gallery, or a bundle, is taken in.
  // A file dropped elsewhere does nothing: the browser would leave the page to show it.
  const carriesFile = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  const takers = { "#create": "#restore", "#edit": "#edit-file", "#browse": "#import" };
  const over = (event, place) => event.target instanceof Element && event.target.closest(place);
  document.addEventListener("dragover", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    if (!over(event, Object.keys(takers).join())) event.dataTransfer.dropEffect = "none";
  }, true);
  document.addEventListener("drop", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    const place = Object.keys(takers).find((one) => over(event, one));
    if (!place || over(event, takers[place])) return;
    event.stopPropagation();
    const input = document.querySelector(`${takers[place]} input[type=file]`);
    if (!input || !event.dataTransfer.files.length) return;
    const files = new DataTransfer();
    files.items.add(event.dataTransfer.files[0]);
    input.files = files.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }, true);

  // Light or dark: the system's choice until the person makes one.
  const remembered = localStorage.getItem("atelier-theme");
  if (remembered) document.body.classList.toggle("dark", remembered === "dark");
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || !event.target.closest("#theme")) return;
    const dark = document.body.classList.toggle("dark");
    localStorage.setItem("atelier-theme", dark ? "dark" : "light");
  });

  // How far the drawing is, in the tab's title.
  const title = () => {
    const bar = document.querySelector(":is(#stage, #edit-stage) [role=progressbar]");
    const of = Number(bar?.getAttribute("aria-valuemax"));
    const done = of ? `${Math.round((100 * Number(bar.getAttribute("aria-valuenow"))) / of)} % · ` : bar ? "… " : "";
    if (document.title !== done + "Atelier") document.title = done + "Atelier";
  };
  // The page as a whole is watched: a stage is made anew each time that it is shown.
  const watched = { childList: true, subtree: true, attributes: true, attributeFilter: ["aria-valuenow"] };
  new MutationObserver(title).observe(document.body, watched);
}
