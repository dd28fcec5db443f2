// As much of a browser as a login needs: cookies, redirects, and forms filled in by what their fields are.

import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';

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

/** A person with a name and a password, and what their browser keeps from one visit to the next. */
export class Browser {
  #cookies = new Map();
  #username;
  #password;

  constructor(username, password) {
    this.#username = username;
    this.#password = password;
  }

  // Not by `fetch`: that is honest, and tells the server that no person goes anywhere (`Sec-Fetch-Mode: cors`).
  async #send(url, form) {
    const headers = { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
    if (form) {
      headers['content-type'] = 'application/x-www-form-urlencoded';
      // A browser names the page's origin with a form; a server may ask for it.
      headers.origin = url.origin;
    }
    const sent = request(url, { method: form ? 'POST' : 'GET', headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    sent.end(form?.toString());
    const [response] = await once(sent, 'response');
    for (const line of response.headers['set-cookie'] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (value === '' || /;\s*max-age=0\b/i.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return { url, status: response.statusCode, location: response.headers.location, page: await text(response) };
  }

  /**
   * Goes to `start`, fills in every form on the way, and returns the request that leads back to the client: to an address that
   * begins with `backTo`.
   */
  async go(start, backTo) {
    let at = await this.#send(new URL(start));
    for (let step = 0; step < 20; step += 1) {
      if (at.location) {
        const next = new URL(at.location, at.url);
        if (next.href.startsWith(backTo)) return new Request(next);
        at = await this.#send(next);
        continue;
      }
      const form = fillIn(at.page, this.#username, this.#password);
      if (!form) throw new Error(`a page without a form: ${at.status} ${at.url}\n${at.page.slice(0, 2000)}`);
      const action = new URL(form.action, at.url);
      if (action.href.startsWith(backTo)) return new Request(action, { method: 'POST', body: form.fields });
      at = await this.#send(action, form.fields);
    }
    throw new Error(`20 pages and no way back to ${backTo}; the last was ${at.url}`);
  }
}
