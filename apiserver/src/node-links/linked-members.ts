import type { ApiserverMember } from "@atlasnet/core";

/** The members of the group that nodes may link to: those of whom it is known where they take links. */
export function linkedMembers(
  {
    voters,
    learners,
  }: { readonly voters: readonly string[]; readonly learners: readonly string[] },
  book: { shown(node: string): string | undefined },
): readonly ApiserverMember[] {
  return [...voters, ...learners].flatMap((node) => {
    const address = book.shown(node);
    return address === undefined ? [] : [{ node, address }];
  });
}
