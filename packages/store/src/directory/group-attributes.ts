import { ScimError, type AttributeRef, type Filter } from "@branchward/scim";
import { sql, type RawBuilder } from "kysely";
import { commonColumns } from "./columns.ts";
import { entitlementExtension } from "./context.ts";
import { compareKey, type AttributeSource, type Column } from "./filter-sql.ts";
import { isResourceId } from "./resource-row.ts";

const common = commonColumns("directory_groups");
/** Both are caseExact, so that their columns are comparison keys. */
const entitlementColumns: ReadonlyMap<string, Column> = new Map([
  ["incarnation", { key: sql.ref("directory_groups.incarnation"), cast: "text" }],
  ["entitlement", { key: sql.ref("directory_groups.entitlement"), cast: "text" }],
]);

/** Where filters find the attributes of groups. */
export const groupAttributes: AttributeSource = {
  document: sql`directory_groups.search_keys`,
  findColumn: ({ extension, attribute, sub }) => {
    if (extension === entitlementExtension) return entitlementColumns.get(attribute.name);
    if (extension !== undefined) return undefined;
    return common.get(sub === undefined ? attribute.name : `${attribute.name}.${sub.name}`);
  },
  compileRelation: (filter) => {
    switch (filter.kind) {
      case "and":
      case "or":
      case "not":
        return undefined;
      case "some":
        return isMembers(filter.target) ? whereMember(compileMember(filter.filter)) : undefined;
      case "present":
      case "compare": {
        const { target } = filter;
        if (!isMembers(target)) return undefined;
        if (target.sub === undefined) return whereMember(sql`true`);
        return whereMember(compileMember({ ...filter, target: { ...target, attribute: target.sub, sub: undefined } }));
      }
    }
  },
};

function isMembers({ extension, attribute }: AttributeRef): boolean {
  return extension === undefined && attribute.name === "members";
}

function whereMember(condition: RawBuilder<boolean>): RawBuilder<boolean> {
  return sql`exists (
    select 1 from directory_members m where m.group_id = directory_groups.id and ${condition}
  )`;
}

/** Conditions on one member; names are those of its sub-attributes. */
function compileMember(filter: Filter): RawBuilder<boolean> {
  switch (filter.kind) {
    case "and":
      return sql`(${compileMember(filter.left)} and ${compileMember(filter.right)})`;
    case "or":
      return sql`(${compileMember(filter.left)} or ${compileMember(filter.right)})`;
    case "not":
      return sql`(not ${compileMember(filter.term)})`;
    case "present":
      return sql`(${memberKey(filter.target)} is not null)`;
    case "some":
      throw new ScimError(400, "filter: a member has no values to select", "invalidFilter");
    case "compare": {
      const { target, operator, key } = filter;
      if (target.attribute.name !== "value" || operator !== "eq") {
        return compareKey(memberKey(target), operator, sql`${String(key)}::text`);
      }
      return typeof key === "string" && isResourceId(key) ? sql`(m.member_id = ${key})` : sql`false`;
    }
  }
}

function memberKey({ attribute }: AttributeRef): RawBuilder<unknown> {
  if (attribute.name === "value") return sql`(m.member_id::text collate "C")`;
  if (attribute.name === "type") return sql`(lower(m.member_kind) collate "C")`;
  throw new ScimError(400, `filter: cannot be filtered: members.${attribute.name}`, "invalidFilter");
}
