// A button that copies the secret, where the browser can; and reloading the page opens the token's own one instead of
// sending the form again.
const box = document.querySelector("[data-secret]");
if (box) {
  const field = box.querySelector("textarea");
  const said = box.querySelector("[data-said]");
  window.history.replaceState(null, "", box.dataset.page);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "secret-copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      said.textContent = "Copied.";
    } catch {
      // Browsers give scripts the clipboard on secure pages only.
      said.textContent = document.execCommand("copy") ? "Copied." : "Select the text and copy it.";
    }
  });
  field.after(button);
}
