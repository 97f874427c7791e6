import { sshKeysSchema as schemaId } from "@branchward/core";
import { attribute, type SchemaDefinition } from "@branchward/scim";

/** SSH public keys of a user, kept here for the bridges that let them in; nobody comes to the directory by them. */
export const sshKeysSchema: SchemaDefinition = {
  id: schemaId,
  name: "SshKeys",
  description: "SSH public keys by which a user may connect",
  attributes: [
    attribute({
      name: "keys",
      description: "Public keys, as ssh-keygen writes them.",
      type: "complex",
      multiValued: true,
      subAttributes: [
        attribute({ name: "value", description: "Type and key in base64, and a comment.", caseExact: true }),
        attribute({ name: "display", description: "A label." }),
      ],
    }),
  ],
};
