// As much of a browser as a login needs: cookies, redirects, and forms filled in by what their fields are.

const TIMEOUT_MS = 20_000;

const decode = (text) =>
  text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(amp|lt|gt|quot|apos));/gi, (_, dec, hex, name) =>
    name ? { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }[name] : String.fromCodePoint(dec ? +dec : parseInt(hex, 16)));

const attributes = (tag) =>
  Object.fromEntries([...tag.matchAll(/\s([a-z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/gi)]
    .map(([, name, double, single, bare]) => [name.toLowerCase(), decode(double ?? single ?? bare ?? '')]));

/** The first POST form of a page as a person would send it: hidden fields kept, «yes» where there is a choice. */
function fillIn(page, username, password) {
  const found = [...page.matchAll(/(<form\b[^>]*>)(.*?)<\/form>/gis)]
    .map(([, tag, body]) => ({ ...attributes(tag), body }))
    .find((form) => form.method?.toLowerCase() === 'post');
  if (!found) return undefined;
  const fields = new URLSearchParams();
  const buttons = [];
  for (const [tag, element] of found.body.matchAll(/<(input|button)\b[^>]*>/gi)) {
    const { type = element.toLowerCase() === 'button' ? 'submit' : 'text', name, value = '' } = attributes(tag);
    if (type === 'submit') buttons.push({ name, value });
    else if (!name) continue;
    else if (type === 'hidden') fields.append(name, value);
    else if (type === 'password') fields.append(name, password);
    else if (type === 'text' || type === 'email') fields.append(name, username);
  }
  const button = buttons.find(({ value }) => value === 'yes') ?? buttons[0];
  if (button?.name) fields.append(button.name, button.value);
  return { action: found.action ?? '', fields };
}

/** Goes to `start`, fills in every form on the way, and returns the URL that leads back to the client. */
export async function logIn(start, redirectUri, username, password) {
  const cookies = new Map();
  const send = async (url, init = {}) => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, {
      ...init, redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS), headers: { ...init.headers, cookie },
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (value === '' || /;\s*max-age=0\b/i.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
    return { url, response };
  };

  let { url, response } = await send(start);
  for (let step = 0; step < 20; step += 1) {
    const location = response.headers.get('location');
    if (location) {
      const next = new URL(location, url);
      if (next.href.startsWith(redirectUri)) return next;
      ({ url, response } = await send(next));
      continue;
    }
    const page = await response.text();
    const form = fillIn(page, username, password);
    if (!form) throw new Error(`a page without a form: ${response.status} ${url}\n${page.slice(0, 2000)}`);
    // A browser names the page's origin with a form; a server may ask for it.
    const headers = { origin: new URL(url).origin };
    ({ url, response } = await send(new URL(form.action, url), { method: 'POST', body: form.fields, headers }));
  }
  throw new Error(`20 pages and no way back to ${redirectUri}; the last was ${url}`);
}
