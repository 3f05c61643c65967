export { type CreatedGame, CreateError, createdText, createGame } from "./create-game.ts";
