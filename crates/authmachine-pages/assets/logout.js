// Goes on when every app has been told, or has been too slow. Without this file the person presses the link.
let gone = false;
const go = () => {
  if (!gone) location.replace(document.getElementById("continue").href);
  gone = true;
};
// The page has loaded when its frames have, or have failed.
addEventListener("load", go);
setTimeout(go, 5000);
