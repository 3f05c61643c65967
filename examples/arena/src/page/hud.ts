import type { ClientWorld } from "@atlasnet/client";
import { type Arena, MAX_CHAT } from "../definition.ts";
import { element } from "./dom.ts";
import type { ConnectionState } from "./hook.ts";

const LINES = 8;
const LINE_MS = 15_000;

const status = element("#status", HTMLElement);
const score = element("#score", HTMLElement);
const leader = element("#leader", HTMLElement);
const log = element("#log", HTMLElement);
const fallen = element("#fallen", HTMLElement);
const chat = element("#chat", HTMLFormElement);
const chatField = element("#chat input", HTMLInputElement);
const door = element("#door", HTMLFormElement);
const why = element("#why", HTMLElement);
const nameField = element("#name", HTMLInputElement);

export function showStatus(state: ConnectionState, text: string): void {
  status.dataset["state"] = state;
  setText(status, text);
}

/** The figures of the bar, and whether the own fighter is down. */
export function showFigures(world: ClientWorld<Arena>): void {
  const { fighter } = world.own ?? {};
  setText(score, fighter === undefined ? "" : `score ${fighter.score}`);
  fallen.hidden = fighter === undefined || fighter.health > 0;
  for (const thing of world.entities.values())
    if (thing.leader !== undefined && thing.leader.score > 0)
      setText(leader, `leader ${thing.leader.name} · ${thing.leader.score}`);
}

/** A line of chat; without a name it is news of the page itself. */
export function tell(from: string, text: string): void {
  const line = document.createElement("li");
  if (from === "" || from === "arena") {
    line.className = "news";
    line.textContent = text;
  } else {
    const name = document.createElement("b");
    name.textContent = from;
    line.append(name, ` ${text}`);
  }
  log.append(line);
  while (log.children.length > LINES) log.firstChild?.remove();
  setTimeout(() => line.remove(), LINE_MS);
}

/** Enter goes to the chat and back to the game; `say` gets what was written. */
export function onChat(say: (text: string) => void): void {
  addEventListener("keydown", (event) => {
    if (event.target === chatField && event.key === "Escape") chatField.blur();
    if (event.key !== "Enter" || event.target instanceof HTMLInputElement || !door.hidden) return;
    event.preventDefault();
    chatField.focus();
  });
  chat.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = chatField.value.trim().slice(0, MAX_CHAT);
    if (text !== "") say(text);
    chatField.value = "";
    chatField.blur();
  });
}

/** Shows the door, with why one stands before it, until the player goes in under a name. */
export function askName(reason: string, name: string): Promise<string> {
  why.textContent = reason;
  nameField.value = name;
  door.hidden = false;
  nameField.focus();
  nameField.select();
  return new Promise((resolve) => {
    const enter = (event: SubmitEvent) => {
      event.preventDefault();
      const given = nameField.value.trim();
      if (given === "") return;
      door.removeEventListener("submit", enter);
      door.hidden = true;
      nameField.blur();
      resolve(given);
    };
    door.addEventListener("submit", enter);
  });
}

function setText(at: HTMLElement, text: string): void {
  if (at.textContent !== text) at.textContent = text;
}
