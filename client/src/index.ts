export { connect } from "./browser.ts";
export * from "./exports.ts";
