// Imported first by every script: an old Node should hear what to do, not fail on some later syntax.
// Keep this file to what Node 14 understands, and take what is newer than that from default imports in
// the scripts: a missing named export fails before any line has run.

const needed = [20, 19];
const found = process.versions.node.split(".").map(Number);

if (found[0] < needed[0] || (found[0] === needed[0] && found[1] < needed[1])) {
  console.error(
    `AtlasNet needs Node ${needed.join(".")} or newer; this is Node ${process.versions.node} (${process.execPath}).\n` +
      "Install a current release from https://nodejs.org/ (or `nvm install 22`, `winget install OpenJS.NodeJS.LTS`), then run the command again.",
  );
  process.exit(1);
}
