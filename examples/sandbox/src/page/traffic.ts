/** Counts what the page's WebSockets receive from now on. `take` gives the bytes since the last call. */
export function countReceivedBytes(): { take(): number } {
  let bytes = 0;
  window.WebSocket = class extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener("message", ({ data }: MessageEvent<ArrayBuffer | string>) => {
        bytes += typeof data === "string" ? data.length : data.byteLength;
      });
    }
  };
  return {
    take() {
      const taken = bytes;
      bytes = 0;
      return taken;
    },
  };
}
