ALTER TABLE `idempotency` ADD `quotes` integer DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX `idempotency_quotes` ON `idempotency` (`workspace_id`) WHERE quotes = 1;