import { attribute, plural, type SchemaDefinition } from "./definitions.ts";

const name = attribute({
  name: "name",
  description: "The components of the user's name.",
  type: "complex",
  subAttributes: [
    attribute({ name: "formatted", description: "The full name, formatted for display." }),
    attribute({ name: "familyName", description: "The family name." }),
    attribute({ name: "givenName", description: "The given name." }),
    attribute({ name: "middleName", description: "The middle names." }),
    attribute({ name: "honorificPrefix", description: "The titles before the name." }),
    attribute({ name: "honorificSuffix", description: "The suffixes after the name." }),
  ],
});

const addresses = attribute({
  name: "addresses",
  description: "Physical mailing addresses.",
  type: "complex",
  multiValued: true,
  subAttributes: [
    attribute({ name: "formatted", description: "The full address, formatted for display." }),
    attribute({ name: "streetAddress", description: "The street address." }),
    attribute({ name: "locality", description: "The city or locality." }),
    attribute({ name: "region", description: "The state or region." }),
    attribute({ name: "postalCode", description: "The postal code." }),
    attribute({ name: "country", description: "The country, as ISO 3166-1 alpha-2." }),
    attribute({ name: "type", description: "A label.", canonicalValues: ["work", "home", "other"] }),
    attribute({ name: "primary", description: "True for at most one value.", type: "boolean" }),
  ],
});

const groups = attribute({
  name: "groups",
  description: "The groups to which the user belongs, direct or through nested groups.",
  type: "complex",
  multiValued: true,
  mutability: "readOnly",
  subAttributes: [
    attribute({ name: "value", description: "The group's id.", mutability: "readOnly" }),
    attribute({
      name: "$ref",
      description: "The group's URI.",
      type: "reference",
      caseExact: true,
      referenceTypes: ["User", "Group"],
      mutability: "readOnly",
    }),
    attribute({ name: "display", description: "The group's name.", mutability: "readOnly" }),
    attribute({
      name: "type",
      description: "How the user belongs.",
      canonicalValues: ["direct", "indirect"],
      mutability: "readOnly",
    }),
  ],
});

/** The User schema of RFC 7643 §4.1 and §8.7.1. */
export const userSchema: SchemaDefinition = {
  id: "urn:ietf:params:scim:schemas:core:2.0:User",
  name: "User",
  description: "User Account",
  attributes: [
    attribute({
      name: "userName",
      description: "The name by which the user signs in.",
      required: true,
      uniqueness: "server",
    }),
    name,
    attribute({ name: "displayName", description: "The name to show." }),
    attribute({ name: "nickName", description: "The casual name." }),
    attribute({
      name: "profileUrl",
      description: "The user's profile page.",
      type: "reference",
      caseExact: true,
      referenceTypes: ["external"],
    }),
    attribute({ name: "title", description: "The title, such as Vice President." }),
    attribute({ name: "userType", description: "How the user relates to the organisation." }),
    attribute({ name: "preferredLanguage", description: "The preferred languages, as in Accept-Language." }),
    attribute({ name: "locale", description: "The locale for dates, numbers and currency." }),
    attribute({ name: "timezone", description: "The time zone, as in the IANA database." }),
    attribute({ name: "active", description: "Whether the user may act.", type: "boolean" }),
    attribute({
      name: "password",
      description: "A clear-text password, accepted and never stored or returned.",
      caseExact: true,
      mutability: "writeOnly",
      returned: "never",
    }),
    plural("emails", "E-mail addresses.", {}, ["work", "home", "other"]),
    plural("phoneNumbers", "Phone numbers.", {}, ["work", "home", "mobile", "fax", "pager", "other"]),
    plural("ims", "Instant messaging addresses.", {}, ["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
    plural("photos", "Images of the user.", { type: "reference", caseExact: true, referenceTypes: ["external"] }, [
      "photo",
      "thumbnail",
    ]),
    addresses,
    groups,
    plural("entitlements", "Entitlements of the user."),
    plural("roles", "Roles of the user."),
    plural("x509Certificates", "X.509 certificates of the user.", { type: "binary", caseExact: true }),
  ],
};
