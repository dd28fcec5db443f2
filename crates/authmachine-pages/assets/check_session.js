// Says whether the session that an app knows of is still the one here (OpenID Connect Session Management §3.3).
const prefix = `${document.currentScript.dataset.cookie}=`;

const browserState = () =>
  document.cookie.split("; ").find((pair) => pair.startsWith(prefix))?.slice(prefix.length) ?? "";

const toText = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

async function answer(origin, message) {
  const [, clientId, hash, salt] = /^(.+) ([\w-]+)\.([\w-]+)$/.exec(message) ?? [];
  if (!salt || !crypto.subtle) return "error";
  const text = new TextEncoder().encode([clientId, origin, browserState(), salt].join(" "));
  const digest = await crypto.subtle.digest("SHA-256", text);
  return toText(new Uint8Array(digest)) === hash ? "unchanged" : "changed";
}

// One after the other: the first question is the first to be answered.
let last = Promise.resolve();
addEventListener("message", ({ data, origin, source }) => {
  // Pages without an origin are no client's, and cannot be answered.
  if (typeof data !== "string" || origin === "null" || !source) return;
  last = last.then(async () => source.postMessage(await answer(origin, data), origin)).catch(() => {});
});
