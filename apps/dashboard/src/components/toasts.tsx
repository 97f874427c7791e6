import { Toast } from "@base-ui/react/toast";
import type { ReactNode } from "react";
import { X } from "lucide-react";

/** What was done, said in a corner for a while. */
export function ToastProvider({ children }: { readonly children: ReactNode }) {
  return (
    <Toast.Provider>
      {children}
      <Toast.Portal>
        <Toast.Viewport className="fixed right-4 bottom-4 z-50 flex w-[min(24rem,calc(100vw-2rem))] flex-col gap-2">
          <Toasts />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}

function Toasts() {
  const { toasts } = Toast.useToastManager();
  return toasts.map((toast) => (
    <Toast.Root
      key={toast.id}
      toast={toast}
      className="rounded-md border border-line bg-raised text-ink shadow-lg transition-opacity data-ending-style:opacity-0 data-starting-style:opacity-0"
    >
      <Toast.Content className="flex items-start gap-3 py-3 pr-2 pl-4">
        <div className="min-w-0 grow">
          <Toast.Title className="font-medium" />
          <Toast.Description className="text-sm wrap-anywhere text-soft" />
        </div>
        <Toast.Close aria-label="Close" className="rounded-sm p-1 text-soft hover:bg-hover">
          <X className="size-4" aria-hidden />
        </Toast.Close>
      </Toast.Content>
    </Toast.Root>
  ));
}

export interface Tell {
  (title: string, description?: string): void;
}

/** Says something in the corner. */
export function useTell(): Tell {
  const { add } = Toast.useToastManager();
  return (title, description) => {
    add({ title, ...(description === undefined ? {} : { description }) });
  };
}
