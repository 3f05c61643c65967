import { InProcessNetwork } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock, SimNetwork } from "@atlasnet/core/sim";
import { systemClock } from "@atlasnet/core/system";
import { type ControlFixture, controlStoreAcceptance } from "@atlasnet/core/testing";
import { API_1, API_2, NodeScene } from "./testing/node-scene.ts";

controlStoreAcceptance("over links to apiservers", async () => {
  const clock = systemClock;
  const network = new InProcessNetwork({ verify: true });
  const scene = await NodeScene.create({ clock, network, seed: "in-process" });
  return { ...partsOf(scene), clock, run: (work) => work };
});

for (const seed of ["one", "two", "three"])
  controlStoreAcceptance(`over links that end all the time (seed ${seed})`, async () => {
    const clock = new SimClock();
    const random = new SeededRandom(seed);
    const network = new SimNetwork({}, { clock, random: random.fork("network") });
    const scene = await NodeScene.create({
      ...{ clock, network, seed },
      delayMs: () => random.int(0, 10),
    });
    let over = false;
    const cut = () => {
      if (over) return;
      const link = scene.opened.at(-random.int(1, 4));
      link?.close({ code: "peer-gone", detail: "cut" });
      clock.setTimer(random.int(5, 60), cut);
    };
    cut();
    return {
      ...partsOf(scene),
      clock,
      run: (work) => clock.drive(work, settle),
      close: async () => {
        over = true;
        scene.stop();
      },
    };
  });

function partsOf(
  scene: NodeScene,
): Pick<ControlFixture, "near" | "far" | "setLease" | "forgetHistory" | "close"> {
  return {
    near: scene.node({ role: "gameserver", node: "gs-1" }, [API_1]).store,
    far: scene.node({ role: "proxy", node: "proxy-1" }, [API_2]).store,
    setLease: (node, held) => {
      if (held) scene.leases.add(node);
      else scene.leases.delete(node);
    },
    forgetHistory: async () => scene.store.forgetHistory(),
    close: async () => scene.stop(),
  };
}
