import { type AtlasNetClient, Client, type ConnectOptions } from "./client.ts";
import { type ResumeStorage, webResumeStorage } from "./resume-storage.ts";
import { commonSurroundings, consoleLogger } from "./surroundings.ts";
import type { Dial } from "./transport.ts";
import { websocketTransport } from "./websocket.ts";

/** A client for the AtlasNet cluster at an address. Nothing is opened before `join`. */
export function connect(options: ConnectOptions): AtlasNetClient {
  return new Client(options, {
    ...commonSurroundings,
    dial: dialWebSocket,
    storage: options.storage ?? tabStorage(),
    logger: options.logger ?? consoleLogger,
    onHurry,
  });
}

const dialWebSocket: Dial = (url, handlers) => {
  if (!/^wss?:/i.test(url))
    throw new TypeError(`browsers connect to ws:// or wss:// addresses, not to ${url}`);
  return websocketTransport(new WebSocket(url), handlers);
};

/** Pages without storage (sandboxed frames, blocked cookies) do without the return after a reload. */
function tabStorage(): ResumeStorage | undefined {
  try {
    return webResumeStorage(globalThis.sessionStorage);
  } catch {
    return undefined;
  }
}

/** The network is back, or the page is looked at again after its timers were slowed down. */
function onHurry(hurry: () => void): () => void {
  globalThis.addEventListener("online", hurry);
  globalThis.addEventListener("pageshow", hurry);
  globalThis.document.addEventListener("visibilitychange", hurry);
  return () => {
    globalThis.removeEventListener("online", hurry);
    globalThis.removeEventListener("pageshow", hurry);
    globalThis.document.removeEventListener("visibilitychange", hurry);
  };
}
