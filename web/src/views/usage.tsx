import type { DevFlowClient } from "../../../client/client.ts";
import { count, dollars } from "../format.ts";
import { Bars } from "../parts/bars.tsx";
import { useLoaded } from "../parts/load.ts";
import { NeedKey } from "../parts/need-key.tsx";
import { Problem } from "../parts/problem.tsx";

const DAYS = 30;

export function UsageView() {
  return (
    <>
      <h1>Usage, last {DAYS} days</h1>
      <NeedKey why="Usage is for administrators.">{(client) => <Usage client={client} />}</NeedKey>
    </>
  );
}

function Usage({ client }: { client: DevFlowClient }) {
  const { loaded, reload } = useLoaded(
    (signal) => {
      const from = new Date(Date.now() - (DAYS - 1) * 86_400_000).toISOString().slice(0, 10);
      return client.usage({ from, group_by: "day" }, signal);
    },
    [client],
  );
  if (loaded.state === "loading") return <p class="quiet">Loading …</p>;
  if (loaded.state === "failed") return <Problem error={loaded.error} retry={reload} />;
  const items = loaded.value.items.toSorted((a, b) => ((a.day ?? "") < (b.day ?? "") ? -1 : 1));
  if (items.length === 0) return <p class="quiet">Nothing was used yet.</p>;
  const rows = (value: (item: (typeof items)[number]) => number) =>
    items.map((item) => ({ name: item.day ?? "", value: value(item) }));
  return (
    <>
      <Bars label="Cost" rows={rows((item) => item.cost_microusd)} format={dollars} />
      <Bars label="Requests" rows={rows((item) => item.requests)} format={count} />
      <Bars label="Embedded tokens" rows={rows((item) => item.embedding_tokens)} format={count} />
      <Bars
        label="Chat tokens"
        rows={rows((item) => item.chat_input_tokens + item.chat_output_tokens)}
        format={count}
      />
    </>
  );
}
