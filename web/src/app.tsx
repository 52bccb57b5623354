export function App() {
  return (
    <main>
      <h1>DevFlow</h1>
    </main>
  );
}
