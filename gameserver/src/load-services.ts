import { pathToFileURL } from "node:url";
import { OperatingError, type ServiceConfig } from "@atlasnet/core";
import { resolveModule } from "./host/load-module.ts";
import type { Service } from "./server/services.ts";

/** Loads what worlds reach with `ctx.request`. @throws OperatingError naming the service. */
export async function loadServices(
  configs: readonly ServiceConfig[],
): Promise<ReadonlyMap<string, Service>> {
  const services = new Map<string, Service>();
  for (const { name, module, from } of configs) {
    const file = resolveModule(module, from);
    const exported: { service?: Service } = await import(pathToFileURL(file).href);
    if (typeof exported.service !== "function")
      throw new OperatingError("bad-service", `services.${name}: ${file} exports no service`, {
        hint: "Add: export async function service(payload, { id }) { return …; }",
      });
    services.set(name, exported.service);
  }
  return services;
}
