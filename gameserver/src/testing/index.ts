export { FakeControlPlane } from "./fake-control-plane.ts";
