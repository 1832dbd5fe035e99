import type { components } from "./schema";

type Schemas = components["schemas"];

export type Ticket = Schemas["TicketView"];
export type Comment = Schemas["CommentView"];
export type User = Schemas["UserView"];
export type Entry = Schemas["EntryView"];
export type Session = Schemas["SessionView"];
export type ApiToken = Schemas["ApiTokenView"];
export type Problem = Schemas["Problem"];
export type Settings = Schemas["SettingsView"];
export type Preferences = Schemas["PreferencesView"];
export type SavedView = Schemas["SavedView"];
export type InfluxReport = Schemas["InfluxReport"];
export type Status = Schemas["Status"];
export type Priority = Schemas["Priority"];
export type Role = Schemas["Role"];
export type TicketChange = Schemas["TicketChange"];
export type BulkFields = Schemas["BulkFields"];
export type BulkResults = Schemas["BulkResults"];

export const STATUSES: readonly Status[] = ["open", "in_progress", "pending", "resolved", "closed"];
export const ACTIVE: readonly Status[] = ["open", "in_progress", "pending"];
export const PRIORITIES: readonly Priority[] = ["critical", "high", "medium", "low"];
