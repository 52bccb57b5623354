import { useEffect, useState } from "preact/hooks";
import { address, VIEWS, type View } from "./address.ts";
import { Link } from "./parts/link.tsx";
import { Problem } from "./parts/problem.tsx";
import { logOut, resume, rootClient, session } from "./session.ts";
import { AskView } from "./views/ask.tsx";
import { DeploymentView } from "./views/deployment.tsx";
import { FileView } from "./views/file.tsx";
import { KeysView } from "./views/keys.tsx";
import { LoginView } from "./views/login.tsx";
import { SearchView } from "./views/search.tsx";
import { SecurityView } from "./views/security.tsx";
import { StatusView } from "./views/status.tsx";
import { UploadView } from "./views/upload.tsx";
import { UsageView } from "./views/usage.tsx";

const TITLES: Record<View, string> = {
  search: "Search",
  ask: "Ask",
  upload: "Upload",
  status: "Index",
  usage: "Usage",
  security: "Security",
  keys: "Keys",
  deployment: "Deployment",
};

export function App() {
  const [start, setStart] = useState<"loading" | "ready" | { error: unknown }>("loading");
  const begin = () => {
    setStart("loading");
    resume().then(
      () => setStart("ready"),
      (error) => setStart({ error }),
    );
  };
  useEffect(begin, []);
  if (start === "loading") return <p class="quiet page">Loading …</p>;
  if (start !== "ready") return <Problem error={start.error} retry={begin} />;
  if (session.value !== null) return <SignedIn />;
  return rootClient.value === null ? <LoginView /> : <Operator />;
}

/** Who came with the root key alone: it reads no workspace, so there is nothing to search. */
function Operator() {
  return (
    <>
      <header class="bar">
        <strong class="brand">DevFlow</strong>
        <span class="workspace">operator</span>
        <a href="/docs">API and guide</a>
        <button type="button" onClick={logOut}>
          Sign out
        </button>
      </header>
      <main id="content" class="page">
        <DeploymentView />
      </main>
    </>
  );
}

function SignedIn() {
  const { view, file } = address.value;
  const workspace = session.value?.who.workspace?.name ?? "";
  useEffect(() => {
    document.title = `${file === "" ? TITLES[view] : file} – DevFlow`;
  }, [view, file]);
  return (
    <>
      <a class="skip" href="#content">
        Skip to content
      </a>
      <header class="bar">
        <strong class="brand">DevFlow</strong>
        <nav aria-label="Views">
          {VIEWS.map((name) => (
            <Link
              key={name}
              to={{ view: name, file: "", line: 0 }}
              {...(name === view ? { "aria-current": "page" as const } : {})}
            >
              {TITLES[name]}
            </Link>
          ))}
        </nav>
        <a href="/docs">Docs</a>
        <span class="workspace" title="Workspace">
          {workspace}
        </span>
        <button type="button" onClick={logOut}>
          Sign out
        </button>
      </header>
      <main id="content" class="page" tabIndex={-1}>
        {file === "" ? <Shown view={view} /> : <FileView />}
      </main>
    </>
  );
}

function Shown({ view }: { view: View }) {
  switch (view) {
    case "search":
      return <SearchView />;
    case "ask":
      return <AskView />;
    case "upload":
      return <UploadView />;
    case "status":
      return <StatusView />;
    case "usage":
      return <UsageView />;
    case "security":
      return <SecurityView />;
    case "keys":
      return <KeysView />;
    case "deployment":
      return <DeploymentView />;
  }
}
