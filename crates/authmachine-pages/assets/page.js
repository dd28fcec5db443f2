// Shows and hides what is typed into a password field. Without this file the buttons stay hidden.
for (const button of document.querySelectorAll("button.reveal")) {
  const input = document.getElementById(button.getAttribute("aria-controls"));
  const show = (shown) => {
    input.type = shown ? "text" : "password";
    button.firstElementChild.textContent = shown ? button.dataset.hide : button.dataset.show;
  };
  button.addEventListener("click", () => {
    show(input.type === "password");
    input.focus();
  });
  // What is sent is a password field, so that no browser remembers it as plain text.
  input.form.addEventListener("submit", () => show(false));
  button.hidden = false;
}
