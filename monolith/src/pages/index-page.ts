/** The page at `/`: which worlds run here, and where to play them. */
export function indexPage(worlds: readonly { world: string; playable: boolean }[]): string {
  const items = worlds
    .map(({ world, playable }) =>
      playable
        ? `<li><a href="/${world}/">Play ${world}</a></li>`
        : `<li>${world} <small>(no page; clients connect to it by name)</small></li>`,
    )
    .join("\n      ");
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>AtlasNet</title>
    <style>
      body { font: 18px/1.5 system-ui, sans-serif; background: #10151c; color: #dfe7ef; margin: 4rem auto; max-width: 36rem; padding: 0 1rem; }
      h1 { font-weight: 600; } small { color: #8b98a5; }
      ul { list-style: none; padding: 0; }
      a { display: block; padding: 1rem 1.25rem; margin: 0.75rem 0; border-radius: 8px; background: #1d2a38; color: #7cc4ff; text-decoration: none; }
      a:hover { background: #26374a; }
    </style>
  </head>
  <body>
    <h1>AtlasNet is running</h1>
    <ul>
      ${items}
    </ul>
  </body>
</html>
`;
}
