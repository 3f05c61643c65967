/** Boots of this node that are gone for certain, so that nobody has to wait for their leases. */
export interface Boots {
  /** @throws when what was kept cannot be read */
  known(): Promise<ReadonlySet<string>>;
  /** It is about to be registered. Known from the next registration on. @throws when it cannot be kept */
  begins(boot: string): Promise<void>;
  /** It is registered, so none of those before it is any more. @throws when it cannot be kept */
  registered(boot: string): Promise<void>;
}

/** Boots that are kept at most; each try to register may leave one. */
export const MAX_KNOWN_BOOTS = 16;

/** Those of this process only. */
export function bootsInMemory(): Boots {
  let known: readonly string[] = [];
  return {
    known: async () => new Set(known),
    begins: async (boot) => {
      known = [...known, boot].slice(-MAX_KNOWN_BOOTS);
    },
    registered: async (boot) => {
      known = [boot];
    },
  };
}
