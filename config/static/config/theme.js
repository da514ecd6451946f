// A picker's parts are made by a script that gives them no names: they take that of the field that they stand for.
{
  const name = () => {
    for (const picker of document.querySelectorAll(".select2-container")) {
      const field = picker.previousElementSibling;
      const label = field?.labels?.[0]?.textContent.trim() || field?.getAttribute("aria-label");
      if (!label) continue;
      for (const part of picker.querySelectorAll(".select2-selection, .select2-search__field, span[role=textbox]")) {
        part.setAttribute("aria-label", label);
      }
      // It stands in a list, and is none of its items.
      picker.querySelector("ul > .select2-selection__clear")?.setAttribute("role", "listitem");
    }
  };
  // A turn later, when the script that makes the pickers has run. Choosing makes parts of them anew.
  addEventListener("load", () => setTimeout(name));
  addEventListener("focusin", name);
}

// The theme's script writes the name of a chosen file into the text field of its own file picker, and fails where a
// form has the browser's: it is not told of those.
addEventListener(
  "change",
  (event) => {
    const field = event.target;
    if (field.type === "file" && !field.parentNode.parentNode.parentNode.querySelector("input[type=text]")) {
      event.stopImmediatePropagation();
    }
  },
  true,
);
