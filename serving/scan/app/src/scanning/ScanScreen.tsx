export function ScanScreen() {
  return <section />;
}
