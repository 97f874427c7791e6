import { Dialog as Base } from "@base-ui/react/dialog";
import type { ReactNode } from "react";

export interface DialogProps {
  readonly isOpen: boolean;
  readonly onOpenChange: (isOpen: boolean) => void;
  readonly title: string;
  /** The title is told to screen readers alone. */
  readonly isTitleHidden?: boolean;
  readonly className?: string;
  readonly children: ReactNode;
}

/** A dialog over the page; Escape and a click beside it close it. */
export function Dialog({ isOpen, onOpenChange, title, isTitleHidden, className = "", children }: DialogProps) {
  return (
    <Base.Root open={isOpen} onOpenChange={onOpenChange}>
      <Base.Portal>
        <Base.Backdrop className="fixed inset-0 z-40 bg-[oklch(0.2_0.02_220/0.45)]" />
        <Base.Popup
          className={`fixed top-[12dvh] left-1/2 z-50 max-h-[76dvh] w-[min(36rem,calc(100vw-2rem))] -translate-x-1/2 overflow-auto rounded-lg border border-line bg-raised text-ink shadow-2xl outline-none ${className}`}
        >
          <Base.Title className={isTitleHidden === true ? "sr-only" : "px-5 pt-4 text-lg font-semibold"}>
            {title}
          </Base.Title>
          {children}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}
