import type { DevFlowClient } from "../../../client/client.ts";
import { count, time } from "../format.ts";
import { Bars } from "../parts/bars.tsx";
import { useLoaded } from "../parts/load.ts";
import { NeedKey } from "../parts/need-key.tsx";
import { Problem } from "../parts/problem.tsx";
import { limitsLeft, session } from "../session.ts";

export function SecurityView() {
  return (
    <>
      <h1>Security</h1>
      <Limits />
      <NeedKey why="Security events are for administrators.">
        {(client) => <Events client={client} />}
      </NeedKey>
    </>
  );
}

function Limits() {
  const limits = Object.entries(session.value?.who.limits ?? {});
  return (
    <section>
      <h2>Rate limits of this key</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">Policy</th>
            <th scope="col">Requests</th>
            <th scope="col">Window</th>
            <th scope="col">Left</th>
          </tr>
        </thead>
        <tbody>
          {limits.map(([name, { requests, window_seconds: seconds }]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{count(requests)}</td>
              <td>{count(seconds)} s</td>
              <td>
                <Left name={name} of={requests} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Left({ name, of }: { name: string; of: number }) {
  const known = limitsLeft.value[name];
  if (known === undefined) return <span class="quiet">not used here yet</span>;
  return (
    <>
      <meter min={0} max={of} low={of / 5} value={known.left} aria-label={`Left of ${name}`} />{" "}
      {count(known.left)}
    </>
  );
}

function Events({ client }: { client: DevFlowClient }) {
  const { loaded, reload } = useLoaded((signal) => client.securityEvents({ limit: 100 }, signal), [client]);
  if (loaded.state === "loading") return <p class="quiet">Loading …</p>;
  if (loaded.state === "failed") return <Problem error={loaded.error} retry={reload} />;
  const { items } = loaded.value;
  const types = Map.groupBy(items, ({ type }) => type);
  const rows = [...types].map(([name, events]) => ({
    name,
    value: events.reduce((sum, event) => sum + event.count, 0),
  }));
  return (
    <section>
      <h2>Security events</h2>
      {items.length === 0 && <p class="quiet">Nothing has happened yet.</p>}
      {rows.length > 0 && <Bars label="The last 100 events, by type" rows={rows} format={count} />}
      <table>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">What</th>
            <th scope="col">Times</th>
            <th scope="col">Address</th>
            <th scope="col">Route</th>
          </tr>
        </thead>
        <tbody>
          {items.map((event) => (
            <tr key={event.id}>
              <td>{time(event.at)}</td>
              <th scope="row">{event.type}</th>
              <td>{count(event.count)}</td>
              <td>{event.ip}</td>
              <td>{event.route}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
