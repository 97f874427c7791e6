/** What an endpoint was seen to do when it was tried out: discovery documents tell a part of it only. */
export interface EndpointCard {
  /** What it says of itself (RFC 7643 §5); null where it says nothing. */
  readonly says: {
    readonly patch: boolean;
    readonly bulk: boolean;
    readonly filter: boolean;
    readonly etag: boolean;
  } | null;
  /** Ids of its schemas; null where it tells none. */
  readonly schemas: readonly string[] | null;
  readonly findsGroupsByExternalId: boolean;
  readonly findsGroupsByName: boolean;
  readonly findsUsersByExternalId: boolean;
  readonly keepsExternalId: boolean;
  /** Whether it takes a group with the extension that tells the branch, and whether it keeps it. */
  readonly takesExtension: boolean;
  readonly keepsExtension: boolean;
  /** Whether members and names are changed by PATCH; else the whole group is PUT. */
  readonly patches: boolean;
  readonly renames: boolean;
  /** Null where no account was there to try with. */
  readonly addsMembers: boolean | null;
  readonly removesMembers: boolean | null;
  /** The most members in one PATCH that it was seen to take, up to 100; null where it was not tried with several. */
  readonly membersPerPatch: number | null;
  /** Whether resources have versions, and a stale one is refused. */
  readonly hasVersions: boolean;
  readonly honoursIfMatch: boolean;
  /** Milliseconds until what was written was read. */
  readonly lagMs: number;
  readonly deletes: boolean;
}

/** How a client speaks to the endpoint, as its card advises. */
export interface ClientProfile {
  readonly patch: boolean;
  readonly findsGroupsByExternalId: boolean;
  readonly findsUsersByExternalId: boolean;
  readonly membersPerPatch: number;
  readonly takesExtension: boolean;
  readonly keepsExtension: boolean;
}

/** What nearly every endpoint takes: 100 members in one PATCH is the least limit that is common. */
const USUAL_MEMBERS_PER_PATCH = 100;

/** Without a card an endpoint is taken to do what RFC 7644 says. */
export function toClientProfile(card: EndpointCard | undefined): ClientProfile {
  return {
    patch: card?.patches ?? true,
    findsGroupsByExternalId: card?.findsGroupsByExternalId ?? true,
    findsUsersByExternalId: card?.findsUsersByExternalId ?? true,
    membersPerPatch: card?.membersPerPatch ?? USUAL_MEMBERS_PER_PATCH,
    takesExtension: card?.takesExtension ?? true,
    keepsExtension: card?.keepsExtension ?? true,
  };
}

/** What the card means for Branchward there, worst first; empty where nothing is in the way. */
export function listCardProblems(card: EndpointCard): readonly string[] {
  const problems: readonly (readonly [boolean, string])[] = [
    [card.removesMembers === false, "members cannot be removed: nothing there can be taken away from anybody"],
    [card.addsMembers === false, "members cannot be added"],
    [!card.deletes, "groups are not deleted: those of ended branches stay, empty"],
    [
      !card.findsGroupsByExternalId && !card.findsGroupsByName,
      "groups are found neither by externalId nor by name: one with an unknown outcome may be made twice",
    ],
    [!card.renames, "groups are not renamed: those of a renamed branch keep the old name and stay unequal"],
    [!card.keepsExternalId, "externalId is dropped: groups are told apart by their names"],
  ];
  return problems.flatMap(([stands, text]) => (stands ? [text] : []));
}
