/** Where a page under development hears of changes. */
export const EVENTS_PATH = "/__atlasnet/events";

/**
 * What the dev server puts into a page: reloads it when it changed, shows errors over it while there are
 * some. The text is set as text, so code in an error stays text.
 */
const SCRIPT = `
(() => {
  let panel;
  const show = (text) => {
    panel?.remove();
    panel = undefined;
    if (text === "") return;
    panel = document.createElement("pre");
    panel.id = "atlasnet-error";
    panel.textContent = text;
    panel.style.cssText = "position:fixed;inset:auto 0 0 0;z-index:2147483647;margin:0;max-height:60%;" +
      "overflow:auto;padding:16px 20px;background:#2b0b0e;color:#ffd7d7;border-top:3px solid #ff5a5f;" +
      "font:13px/1.5 ui-monospace,Menlo,Consolas,monospace;white-space:pre-wrap";
    document.body.append(panel);
  };
  const events = new EventSource("${EVENTS_PATH}");
  events.addEventListener("reload", () => location.reload());
  events.addEventListener("problem", (event) => show(JSON.parse(event.data)));
  addEventListener("error", (event) => show(event.error?.stack ?? event.message));
  addEventListener("unhandledrejection", (event) => show(String(event.reason?.stack ?? event.reason)));
})();
`;

/** The page with the script in its head, before any of its own scripts. */
export function withOverlay(html: string): string {
  const tag = `<script>${SCRIPT}</script>`;
  const head = /<head\b[^>]*>/i.exec(html);
  if (head === null) return tag + html;
  const at = head.index + head[0].length;
  return html.slice(0, at) + tag + html.slice(at);
}
