/** Branchward's SCIM extensions as data, so that the directory and the bridges serve the same ones. */

interface ExtensionAttribute {
  readonly name: string;
  readonly description: string;
  readonly type?: "complex";
  readonly multiValued?: boolean;
  readonly caseExact?: boolean;
  readonly subAttributes?: readonly ExtensionAttribute[];
}

/** An extension of a resource type (RFC 7643 §3.3); what is not said of an attribute has the defaults of §2.2. */
export interface ScimExtension {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly attributes: readonly ExtensionAttribute[];
}

export const branchEntitlementSchema = "urn:branchward:scim:schemas:extension:1.0:BranchEntitlement";
export const sshKeysSchema = "urn:branchward:scim:schemas:extension:1.0:SshKeys";

/** Of Group: what an entitlement group stands for (contract, "Entitlement groups on the wire"). */
export const branchEntitlementExtension: ScimExtension = {
  id: branchEntitlementSchema,
  name: "BranchEntitlement",
  description: "The branch and the verb that a group stands for",
  attributes: [
    { name: "repository", description: "The repository's label.", caseExact: true },
    { name: "branch", description: "The branch's exact name.", caseExact: true },
    { name: "refType", description: "branch, bookmark or topic.", caseExact: true },
    { name: "entitlement", description: "The verb that members hold on the branch.", caseExact: true },
    {
      name: "incarnation",
      description: "The life of the branch: a branch created again under this name has another one.",
      caseExact: true,
    },
    { name: "vcs", description: "git or hg.", caseExact: true },
  ],
};

/** Of User: the SSH public keys that bridges let in; nobody comes to the directory by them. */
export const sshKeysExtension: ScimExtension = {
  id: sshKeysSchema,
  name: "SshKeys",
  description: "SSH public keys by which a user may connect",
  attributes: [
    {
      name: "keys",
      description: "Public keys, as ssh-keygen writes them.",
      type: "complex",
      multiValued: true,
      subAttributes: [
        {
          name: "value",
          description: "Type and key in base64, without options; a comment may follow.",
          caseExact: true,
        },
        { name: "display", description: "A label." },
      ],
    },
  ],
};
