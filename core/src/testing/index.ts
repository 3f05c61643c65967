// For tests of whoever implements a port of this package; needs node:test.
export {
  type Later,
  type LinkFixture,
  later,
  linkAcceptance,
  type MakeLinkFixture,
  numberOf,
} from "../link/acceptance.ts";
export { goldenLinkMessages } from "./golden.ts";
