export function CountScreen() {
  return <section />;
}
