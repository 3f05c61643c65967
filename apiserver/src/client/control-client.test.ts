import { systemClock } from "@atlasnet/core/system";
import { controlStoreAcceptance } from "@atlasnet/core/testing";
import { apiScene } from "../http/testing/scene.ts";
import { ControlClient } from "./control-client.ts";

controlStoreAcceptance("over the HTTP API", async () => {
  const scene = await apiScene({ count: 2 });
  // The servers have put the administrator's token there; they take it without, too.
  await scene.store.txn({ compare: [], then: [{ type: "delete", prefix: "tokens/" }] });
  const [first = "", second = ""] = scene.addresses;
  const client = (...addresses: string[]) =>
    new ControlClient({ client: scene.client({ addresses }) });
  return {
    near: client(first, second),
    far: client(second, first),
    clock: systemClock,
    run: (work) => work,
    setLease: (node, held) => {
      if (held) scene.leases.add(node);
      else scene.leases.delete(node);
    },
    forgetHistory: async () => scene.store.forgetHistory(),
    close: scene.close,
  };
});
