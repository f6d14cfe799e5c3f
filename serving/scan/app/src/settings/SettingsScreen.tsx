export function SettingsScreen() {
  return <section />;
}
