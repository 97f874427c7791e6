import type { BranchDetails, BranchItem, CheckoutItem } from "@branchward/core/api";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useServer } from "../api/context.ts";
import { InlineName } from "../components/name.tsx";
import { Fact, Facts, Failure, Loading, Page, Section } from "../components/page.tsx";
import { When } from "../components/when.tsx";
import { BranchEvents } from "./branch-events.tsx";
import { BranchState } from "./branch-state.tsx";
import { Holders } from "./holders.tsx";
import { Moments } from "./moments.tsx";

const route = getRouteApi("/branches/$id");

const quietLink = "text-accent underline underline-offset-4";

/** One life of a branch: who may do what on it and why, who stands on it, what happened to it. */
export function BranchPage() {
  const { queries } = useServer();
  const { id } = route.useParams();
  const { data: branch, error, refetch } = useQuery(queries.branch(id));
  if (branch === undefined) {
    return (
      <Page title="Branch">
        {error === null ? <Loading /> : <Failure error={error} onRetry={() => void refetch()} />}
      </Page>
    );
  }
  return (
    <Page
      title={branch.name}
      heading={<InlineName className="line-clamp-4">{branch.name}</InlineName>}
      lead={
        <Link to="/branches" search={{ repository: branch.repository }} className="hover:text-accent">
          <bdi>{branch.repository}</bdi>
        </Link>
      }
      actions={
        <Link to="/syncs" search={{ incarnation: branch.id }} className={quietLink}>
          Its syncs
        </Link>
      }
    >
      <Overview branch={branch} />
      <div className="mt-10">
        <Holders scopes={branch.scopes} />
        <Moments grants={branch.grants} holds={branch.holds} />
        <Checkouts checkouts={branch.checkouts} />
        {branch.incarnations.length > 1 && <Incarnations of={branch} />}
        <BranchEvents events={branch.events} />
      </div>
    </Page>
  );
}

function Overview({ branch }: { readonly branch: BranchDetails }) {
  return (
    <Facts>
      <Fact name="State">
        <BranchState branch={branch} />
      </Fact>
      <Fact name="Kind">
        {branch.vcs} {branch.refType}
      </Fact>
      {branch.head !== null && (
        <Fact name="Head">
          <span className="font-mono text-sm" title={branch.head}>
            {branch.head.slice(0, 12)}
          </span>
        </Fact>
      )}
      <Fact name="Born">
        <When at={branch.bornAt} />
      </Fact>
      {branch.endedAt !== null && (
        <Fact name="Ended">
          <When at={branch.endedAt} />
        </Fact>
      )}
      {branch.previousNames.length > 0 && (
        <Fact name="Earlier names">
          <InlineName>{branch.previousNames.join(", ")}</InlineName>
        </Fact>
      )}
    </Facts>
  );
}

function Checkouts({ checkouts }: { readonly checkouts: readonly CheckoutItem[] }) {
  return (
    <Section title="Checked out" aside={`${checkouts.length} working ${checkouts.length === 1 ? "copy" : "copies"}`}>
      <ul className="border-t border-line">
        {checkouts.map((checkout) => (
          <li
            key={`${checkout.actor} ${checkout.workingCopy}`}
            className="flex flex-wrap gap-x-4 border-b border-line py-2 text-sm"
          >
            <InlineName className="min-w-40 font-medium">{checkout.userName ?? checkout.actor}</InlineName>
            <span className="text-soft">
              {checkout.user === null && "not a user of the directory, "}
              {checkout.trust === "token" ? "by an enrolled agent" : "by its own claim"}
            </span>
            <span className="text-soft">
              since <When at={checkout.startedAt} />
            </span>
            {checkout.expiresAt !== null && (
              <span className="sm:ml-auto">
                ends <When at={checkout.expiresAt} />
              </span>
            )}
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Incarnations({ of }: { readonly of: BranchDetails }) {
  return (
    <Section title="Lives of this name" aside="nothing passes from one to the next">
      <ol className="border-t border-line">
        {of.incarnations.map((life) => (
          <li key={life.id} className="flex flex-wrap gap-x-6 border-b border-line py-2 text-sm">
            <BranchState branch={life} />
            <Life life={life} />
            {life.id === of.id ? (
              <span className="ml-auto text-soft">this one</span>
            ) : (
              <Link to="/branches/$id" params={{ id: life.id }} className={`ml-auto ${quietLink}`}>
                Show
              </Link>
            )}
          </li>
        ))}
      </ol>
    </Section>
  );
}

function Life({ life: { bornAt, endedAt } }: { readonly life: BranchItem }) {
  return (
    <span className="text-soft">
      born <When at={bornAt} />
      {endedAt !== null && (
        <>
          , ended <When at={endedAt} />
        </>
      )}
    </span>
  );
}
