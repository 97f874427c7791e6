import { attribute, type SchemaDefinition } from "./definitions.ts";

/** The enterprise extension of User (RFC 7643 §4.3 and §8.7.1). */
export const enterpriseUserSchema: SchemaDefinition = {
  id: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
  name: "EnterpriseUser",
  description: "Enterprise User",
  attributes: [
    attribute({ name: "employeeNumber", description: "The number that the organisation gave the person." }),
    attribute({ name: "costCenter", description: "The cost centre." }),
    attribute({ name: "organization", description: "The organisation." }),
    attribute({ name: "division", description: "The division." }),
    attribute({ name: "department", description: "The department." }),
    attribute({
      name: "manager",
      description: "The user's manager.",
      type: "complex",
      subAttributes: [
        attribute({ name: "value", description: "The manager's id." }),
        attribute({
          name: "$ref",
          description: "The manager's URI.",
          type: "reference",
          caseExact: true,
          referenceTypes: ["User"],
        }),
        attribute({ name: "displayName", description: "The manager's name.", mutability: "readOnly" }),
      ],
    }),
  ],
};
