/** The page at `/`: which worlds run here, and where to play them. */
export function indexPage(worlds: readonly { world: string; playable: boolean }[]): string {
  const items = worlds.map(({ world, playable }) => {
    const name = escapeHtml(world);
    return playable
      ? `<li><a href="/${encodeURIComponent(world)}/"><b>${name}</b><span>play</span></a></li>`
      : `<li><div><b>${name}</b><span>has no page; clients join it by name</span></div></li>`;
  });
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>AtlasNet</title>
    <link rel="icon" href="data:,">
    <style>
      :root { color-scheme: dark; }
      body { margin: 0 auto; padding: 14vh 20px 40px; max-width: 34rem; background: #0b1018; color: #dfe7ef; font: 17px/1.5 system-ui, sans-serif; }
      h1 { margin: 0; font-size: 2rem; font-weight: 650; letter-spacing: -0.02em; }
      p { margin: 0.25rem 0 2rem; color: #8b98a5; }
      ul { margin: 0; padding: 0; list-style: none; }
      li > * { display: flex; align-items: baseline; justify-content: space-between; gap: 1rem; margin: 0.6rem 0; padding: 0.9rem 1.2rem; border: 1px solid #223041; border-radius: 10px; background: #131c28; color: inherit; text-decoration: none; }
      li span { color: #8b98a5; }
      a:hover, a:focus-visible { border-color: #4fb3ff; background: #182636; outline: none; }
      a span { color: #4fb3ff; }
      a span::after { content: " →"; }
    </style>
  </head>
  <body>
    <h1>AtlasNet is running</h1>
    <p>Worlds on this server:</p>
    <ul>
      ${items.join("\n      ")}
    </ul>
  </body>
</html>
`;
}

const ENTITIES: { readonly [character: string]: string } = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}
