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

/** Workers and pages without storage (sandboxed frames) do without the return after a reload. */
function tabStorage(): ResumeStorage | undefined {
  try {
    const storage: Storage | undefined = globalThis.sessionStorage;
    return storage === undefined ? undefined : webResumeStorage(storage);
  } catch {
    return undefined;
  }
}

/** The network is back, or the page is looked at again after its timers were slowed down. */
function onHurry(hurry: () => void): () => void {
  const page: Document | undefined = globalThis.document;
  globalThis.addEventListener("online", hurry);
  globalThis.addEventListener("pageshow", hurry);
  page?.addEventListener("visibilitychange", hurry);
  return () => {
    globalThis.removeEventListener("online", hurry);
    globalThis.removeEventListener("pageshow", hurry);
    page?.removeEventListener("visibilitychange", hurry);
  };
}
