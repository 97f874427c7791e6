import { Dialog } from "../components/dialog.tsx";
import { SHORTCUTS } from "./shortcuts.ts";

export function HelpDialog({ isOpen, onClose }: { readonly isOpen: boolean; readonly onClose: () => void }) {
  return (
    <Dialog isOpen={isOpen} onOpenChange={onClose} title="Keys">
      <dl className="grid gap-x-8 px-5 pt-2 pb-5 sm:grid-cols-2">
        {SHORTCUTS.map(({ keys, does }) => (
          <div key={does} className="flex items-baseline justify-between gap-4 border-b border-line py-1.5">
            <dt className="text-soft">{does}</dt>
            <dd className="flex gap-1.5">
              {keys.map((key) => (
                <kbd key={key} className="rounded-sm border border-line bg-page px-1.5 font-mono text-xs">
                  {key}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
