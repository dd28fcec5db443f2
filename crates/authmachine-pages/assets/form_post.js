// Goes on to the client. Without this file the person presses the button.
HTMLFormElement.prototype.submit.call(document.getElementById("form-post"));
